/** Operations a second against operations a byte, with the roof of the card. */

import { Chart } from '../chart/Chart'
import type { Drawing } from '../chart/Chart'
import { cards, plan } from '../store'
import type { Card, Pass, Plan } from '../types'
import { rate } from '../units'
import { named, t } from '../words'

interface Point {
  name: string
  intensity: number
  attained: number
}

interface Roof {
  bandwidth: number
  peak: number
}

export function Roofline({ speed }: { speed: NonNullable<Plan['speed']> }) {
  const device = plan.value?.devices[0]
  const card = cards.value.find((each) => each.name === device?.name)
  const roof = card === undefined ? null : roofOf(card, speed)
  if (roof === null) return null
  const points = (['decode', 'prefill'] as const).flatMap((name) => {
    const pass = speed[name]
    const point = pass === null ? null : pointOf(name, pass, roof)
    return point === null ? [] : [point]
  })
  const summary = points.map((point) => t('roof.summary', { pass: point.name, intensity: rate(point.intensity), attained: `${rate(point.attained / 1e12)} TFLOP/s` })).join(' ')
  const table = {
    head: [t('roof.pass'), t('roof.intensity'), 'TFLOP/s'],
    rows: points.map((point) => [point.name, rate(point.intensity), rate(point.attained / 1e12)]),
  }
  return (
    <>
      <h3>{t('roof.title')}</h3>
      <p class="lead">{t('roof.lead', { peak: `${rate(roof.peak / 1e12)} TFLOP/s`, bandwidth: `${rate(roof.bandwidth / 1e12)} TB/s` })}</p>
      <Chart name="roofline" summary={summary} table={table} drawing={drawing(points, roof)} />
    </>
  )
}

/** The rates that the model of time took; those of the card's table where it took none. */
function roofOf(card: Card, speed: NonNullable<Plan['speed']>): Roof | null {
  const { bandwidth } = card
  if (bandwidth === null) return null
  const ridge = speed.decode?.ridge_point
  const peak = ridge === undefined ? (card.dense_flops['bf16'] ?? card.dense_flops['fp16']) : ridge * bandwidth
  return peak === undefined ? null : { bandwidth, peak }
}

function pointOf(name: string, pass: Pass, roof: Roof): Point | null {
  const memory = (pass as Pass & { memory_seconds?: number }).memory_seconds
  const operations = pass.arithmetic_seconds * roof.peak
  const intensity = pass.arithmetic_intensity ?? (memory === undefined || memory === 0 ? undefined : operations / (memory * roof.bandwidth))
  if (intensity === undefined || intensity <= 0) return null
  return { name: named('phase', name), intensity, attained: operations / pass.seconds }
}

function drawing(points: Point[], { bandwidth, peak }: Roof): Drawing {
  const ridge = peak / bandwidth
  const least = Math.min(0.5, ...points.map((point) => point.intensity / 2))
  const most = Math.max(ridge * 16, ...points.map((point) => point.intensity * 4))
  const tera = (flops: number): number => flops / 1e12
  return {
    x: { name: t('roof.intensity'), scale: 'log', min: least, max: most, write: rate },
    y: { name: 'TFLOP/s', scale: 'log', write: rate },
    lines: [
      { name: t('roof.roof'), role: 'limit', points: [[least, tera(least * bandwidth)], [ridge, tera(peak)], [most, tera(peak)]] },
    ],
    dots: points.map((point) => ({ name: point.name, at: [point.intensity, tera(point.attained)] })),
  }
}
