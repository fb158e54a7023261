/** A model larger than its cards: which blocks lie on which card, in host memory or on a disk. */

import { question, set } from '../store'
import type { Options } from '../types'
import { Copy } from '../ui/Copy'
import { size, time } from '../units'
import { named, number, side, t } from '../words'
import { Form } from './Form'
import type { Field } from './Form'
import { useRun } from './run'
import type { Shape } from './run'

interface Placement {
  fits: boolean
  seconds_per_token: number
  tokens_per_second: number
  prompt_seconds: number
  optimal: boolean
  gap: number
  options: Options
  blocks: { block: string; device: string }[]
  devices: { device: string; used_bytes: number; limit_bytes: number | null }[]
}

interface Found {
  because: string
  request: Options
  clock: { kind: string }
  placement: Placement | null
  automatic: (Placement & { name: string }) | null
  assumptions: string[]
}

const ENGINES = ['llama.cpp', 'transformers', 'vllm']
const FIELDS: Field[] = [
  { name: 'engine', items: () => ENGINES.map((value) => ({ value, label: value })) },
  { name: 'weights', hint: 'q4_k_m' },
  { name: 'host_memory', hint: '64GB' },
  { name: 'host_bandwidth', hint: '90GB/s' },
  { name: 'disk', hint: '5GB/s' },
]

/** The engine stands in the form; formats and options of another engine would be refused. */
const shape: Shape = (asked, { engine = ENGINES[0], ...wishes }) => {
  const same = String(asked['engine'] ?? '').split('==')[0] === engine
  const common = ['model', 'config', 'on', 'max_model_len', 'input_tokens', 'output_tokens', 'concurrency']
  const kept = same ? asked : Object.fromEntries(Object.entries(asked).filter(([name]) => common.includes(name)))
  return { ...kept, ...wishes, ...(same ? {} : { engine }) }
}

export function Body() {
  const run = useRun<Found>('place', shape)
  const found = run.value.value
  return (
    <>
      <Form part="place" fields={FIELDS} run={run} start={t('place.start')} />
      {found !== null && (
        <div class={run.stale.value ? 'found stale' : 'found'}>
          {found.placement === null ? <p class="none"><bdi dir={side(found.because)}>{found.because}</bdi></p> : <Placed found={found} placement={found.placement} />}
          <ul class="plain">{found.assumptions.map((each) => <li key={each}><bdi dir={side(each)}>{each}</bdi></li>)}</ul>
        </div>
      )}
    </>
  )
}

function Placed({ found, placement }: { found: Found; placement: Placement }) {
  const floor = found.clock.kind === 'floor' ? '≥ ' : ''
  const text = Object.entries(placement.options).map(([name, value]) => `${name}=${String(value)}`).join('\n')
  const apply = (): void => {
    set('engine', String(found.request['engine']))
    for (const [name, value] of Object.entries(placement.options)) set(name, value)
  }
  return (
    <>
      <dl class="facts-row">
        <div><dt>{t('figure.token')}</dt><dd><bdi>{floor + time(placement.seconds_per_token)}</bdi></dd></div>
        <div><dt>{t('figure.first')}</dt><dd><bdi>{floor + time(placement.prompt_seconds)}</bdi></dd></div>
        {found.automatic !== null && <div><dt><bdi dir="ltr">{found.automatic.name}</bdi></dt><dd><bdi>{found.automatic.fits ? floor + time(found.automatic.seconds_per_token) : t('verdict.over')}</bdi></dd></div>}
        <div><dt>{t('place.proof')}</dt><dd>{placement.optimal ? t('place.optimal') : t('place.gap', { share: number(placement.gap, { style: 'percent', maximumFractionDigits: 1 }) })}</dd></div>
      </dl>
      <div class="scroll">
        <table class="numbers">
          <caption class="unseen">{t('place.title')}</caption>
          <thead><tr><th scope="col">{t('place.device')}</th><th scope="col">{t('place.blocks')}</th><th scope="col">{t('terms.held')}</th></tr></thead>
          <tbody>
            {placement.devices.map((each) => (
              <tr key={each.device}>
                <th scope="row">{deviceName(each.device)}</th>
                <td><bdi dir="ltr">{runs(placement.blocks, each.device)}</bdi></td>
                <td><bdi>{each.limit_bytes === null ? size(each.used_bytes) : t('ledger.of', { used: size(each.used_bytes), usable: size(each.limit_bytes) })}</bdi></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {text !== '' && (
        <>
          <div class="code">
            <pre dir="ltr" lang="en" tabIndex={0} role="region" aria-label={t('place.options')}>{text}</pre>
            <Copy name="copy_place" text={() => text} />
          </div>
          <div class="go"><button type="button" class="small" name="apply_place" disabled={question.value.on === ''} onClick={apply}>{t('try.apply')}</button></div>
        </>
      )}
    </>
  )
}

function deviceName(device: string): string {
  const [kind = '', index] = device.split(' ')
  return index === undefined ? named('device', kind) : `\u2066${kind.toUpperCase()} ${index}\u2069`
}

/** `embedding, 0–9, head`: the blocks of a device, those that follow each other as one. */
function runs(blocks: Placement['blocks'], device: string): string {
  const found: [string, string][] = []
  let last = -2
  blocks.forEach(({ block, device: place }, at) => {
    if (place !== device) return
    const before = found.at(-1)
    const counted = /^\d+$/.test(block)
    if (before !== undefined && counted && last === at - 1 && /^\d+$/.test(before[1])) before[1] = block
    else found.push([block, block])
    last = at
  })
  return found.map(([from, to]) => (from === to ? from : `${from}–${to}`)).join(', ') || '–'
}
