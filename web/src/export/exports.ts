/** The answer as files: the bars as SVG and PNG, the ledger as CSV, Markdown and JSON. */

import { answer, question } from '../store'
import { groups, inOrder, LADDER } from '../terms'
import type { Weighing } from '../types'
import { colour } from '../theme'
import { gib, size } from '../units'
import { named, t } from '../words'
import type { Action } from '../ui/Menu'
import { csvOf, pngOf, save } from './save'

export function actions(): Action[] {
  return [
    { name: 'export_png', label: t('export.png'), run: async () => save(`${title()}.png`, await barsPng(), 'image/png') },
    { name: 'export_svg', label: t('export.svg'), run: () => save(`${title()}.svg`, bars().text, 'image/svg+xml') },
    { name: 'export_csv', label: t('export.csv'), run: () => withAnswer((made) => save(`${title()}.csv`, csv(made), 'text/csv')) },
    { name: 'export_json', label: t('export.json'), run: () => withAnswer((made) => save(`${title()}.json`, JSON.stringify(made, null, 2), 'application/json')) },
    { name: 'export_markdown', label: t('export.markdown'), run: () => withAnswer((made) => save(`${title()}.md`, markdown(made), 'text/markdown')) },
  ]
}

function withAnswer(run: (made: Weighing) => void): void {
  if (answer.value !== null) run(answer.value)
}

function title(): string {
  const { model, on } = question.value
  return `${model}${on === '' ? '' : `-${on}`}`.replace(/[^\w.-]+/g, '-').toLowerCase()
}

/** Every term of every phase of every device, in bytes: for programs, so without grouping. */
export function csv(made: Weighing): string {
  const rows = made.devices.flatMap((device) =>
    Object.entries(device.phases).flatMap(([phase, held]) =>
      held.terms.map((term) => [device.index, device.name, phase, term.name, term.phase, term.bytes, term.low, term.high, term.basis, term.formula, term.source]),
    ),
  )
  return csvOf({ head: ['device', 'name', 'phase', 'term', 'held', 'bytes', 'low', 'high', 'basis', 'formula', 'source'], rows })
}

export function markdown(made: Weighing): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const lines = [`# ${cell(made.model.id)}`, '', t(`verdict.${made.verdict.fits === null ? 'unknown' : made.verdict.fits ? 'fits' : 'over'}`), '']
  for (const group of groups(made.devices)) {
    const { first } = group
    lines.push(`## ${group.devices.length > 1 ? `${group.devices.length} × ` : ''}${cell(group.name)}`, '')
    lines.push(`| ${[t('terms.term'), 'GiB', t('terms.range'), t('terms.basis')].join(' | ')} |`, '| :-- | --: | --: | :-- |')
    for (const term of inOrder(first.terms)) {
      const range = term.low === term.high ? '' : `${gib(term.low)}–${gib(term.high)}`
      lines.push(`| ${[named('term', term.name), gib(term.bytes), range, named('basis', term.basis)].map(cell).join(' | ')} |`)
    }
    lines.push(`| **${t('terms.total')}** | **${gib(first.total_bytes)}** | ${gib(first.low)}–${gib(first.high)} | |`)
    if (first.usable_bytes !== null) lines.push(`| ${t('bar.usable')} | ${gib(first.usable_bytes)} | | |`)
    lines.push('')
  }
  lines.push(location.href, '', `weighbridge ${made.version} · ${LADDER.join(' < ')}`, '')
  return lines.join('\n').replace(/[\u2066-\u2069]/g, '')
}

const PAINTED = ['fill', 'stroke', 'stroke-width', 'font-size', 'font-family', 'font-weight', 'opacity', 'fill-opacity', 'stroke-dasharray'] as const

/** The bars on the page as one document that stands by itself: every colour written into it. */
export function bars(): { text: string; width: number; height: number } {
  const found = [...document.querySelectorAll<SVGSVGElement>('.ledger > .device .bar svg')]
  const width = Math.max(320, ...found.map((svg) => svg.clientWidth)) + 32
  const made = answer.value
  let at = 56
  const parts = found.map((svg, place) => {
    const copy = svg.cloneNode(true) as SVGSVGElement
    const [live, still] = [svg.querySelectorAll('*'), copy.querySelectorAll('*')]
    live.forEach((element, i) => {
      const style = getComputedStyle(element)
      for (const name of PAINTED) still[i]?.setAttribute(name, style.getPropertyValue(name))
    })
    copy.setAttribute('x', '16')
    copy.setAttribute('y', String(at + 6))
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
    const group = made === null ? undefined : groups(made.devices)[place]
    const name = group === undefined ? '' : `${group.devices.length > 1 ? `${group.devices.length} × ` : ''}${group.name}`
    const total = group === undefined ? '' : size(group.first.total_bytes)
    const line = `<text x="16" y="${at}" font-size="13" font-weight="600" fill="${colour('--ink')}">${escape(name)}</text><text x="${width - 16}" y="${at}" font-size="13" text-anchor="end" fill="${colour('--ink')}">${escape(total)}</text>`
    at += svg.clientHeight + 34
    return line + new XMLSerializer().serializeToString(copy)
  })
  const head = `<text x="16" y="28" font-size="16" font-weight="650" fill="${colour('--ink')}">${escape(made?.model.id ?? '')}</text>`
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${at}" viewBox="0 0 ${width} ${at}" font-family="system-ui, sans-serif"><rect width="100%" height="100%" fill="${colour('--surface')}"/>${head}${parts.join('')}</svg>`
  return { text, width, height: at }
}

async function barsPng(): Promise<Blob> {
  const { text, width, height } = bars()
  return pngOf(text, width, height)
}

function escape(text: string): string {
  return text.replace(/[\u2066-\u2069]/g, '').replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
}
