/** Every other option, by the name that it has on the command line. */

import { option, set } from '../store'
import type { Option } from '../types'
import { Choice } from '../ui/Choice'
import { t } from '../words'

export function Further({ options, shown }: { options: Option[]; shown: Set<string> }) {
  const rest = options.filter((each) => !shown.has(each.name))
  const changed = rest.filter((each) => option(each.name) !== undefined).length
  if (rest.length === 0) return null
  return (
    <details class="group further">
      <summary>{changed > 0 ? t('further.set', { count: changed }) : t('further')}</summary>
      <div class="options">{rest.map((each) => <One key={each.name} option={each} />)}</div>
    </details>
  )
}

function One({ option: row }: { option: Option }) {
  const value = option(row.name)
  const label = row.name.replaceAll('_', '-')
  const items = row.kind === 'flag' ? ['true', 'false'] : row.choices
  const read = (text: string): void => set(row.name, text === '' ? null : row.kind === 'flag' ? text === 'true' : text)
  return (
    <div class="option" title={row.help}>
      {items.length > 0 ? (
        <Choice
          name={row.name}
          label={label}
          value={value === undefined ? '' : String(value)}
          items={[{ value: '', label: t('auto') }, ...items.map((each) => ({ value: each, label: each }))]}
          onChange={read}
        />
      ) : (
        <div class="field">
          <label for={`o-${row.name}`}>{label}</label>
          <input
            id={`o-${row.name}`}
            name={row.name}
            type="text"
            dir="ltr"
            placeholder={t('auto')}
            value={value === undefined ? '' : String(value)}
            onChange={(event) => read(event.currentTarget.value.trim())}
          />
        </div>
      )}
    </div>
  )
}
