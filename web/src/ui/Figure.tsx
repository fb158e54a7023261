/** A chart with what it says in a sentence, its numbers as a table, and ways to keep it. */

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { csvOf, save } from '../export/save'
import { t } from '../words'

export interface Table {
  head: string[]
  rows: (string | number)[][]
}

interface Props {
  name: string
  summary: string
  table: Table
  /** the chart as an SVG document */
  svg?: () => Promise<string>
  png?: () => Promise<Blob>
  children: ComponentChildren
}

export function Figure({ name, summary, table, svg, png, children }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <figure class="figure" data-figure={name}>
      <div role="img" aria-label={summary} class="drawn">{children}</div>
      <figcaption>
        <span class="figure-tools">
          <button type="button" class="link" name={`${name}-table`} aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? t('table.hide') : t('table.show')}
          </button>
          {svg !== undefined && (
            <button type="button" class="link" name={`${name}-svg`} onClick={() => void svg().then((text) => save(`${name}.svg`, text, 'image/svg+xml'))}>SVG</button>
          )}
          {png !== undefined && (
            <button type="button" class="link" name={`${name}-png`} onClick={() => void png().then((blob) => save(`${name}.png`, blob, 'image/png'))}>PNG</button>
          )}
          <button type="button" class="link" name={`${name}-csv`} onClick={() => save(`${name}.csv`, csvOf(table), 'text/csv')}>CSV</button>
        </span>
      </figcaption>
      {open && <Numbers table={table} label={summary} />}
    </figure>
  )
}

export function Numbers({ table, label }: { table: Table; label: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="numbers">
        <thead>
          <tr>{table.head.map((head) => <th key={head} scope="col">{head}</th>)}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            <tr key={at}>{row.map((cell, place) => <td key={place}><bdi>{cell}</bdi></td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
