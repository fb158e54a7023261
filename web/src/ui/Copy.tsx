/** A button that copies a text and says so. */

import { useState } from 'preact/hooks'
import { t } from '../words'

interface Props {
  text: () => string | Promise<string>
  label?: string
  name: string
  class?: string
}

export function Copy({ text, label, name, class: style }: Props) {
  const [done, setDone] = useState(false)
  const copy = async (): Promise<void> => {
    await toClipboard(await text())
    setDone(true)
    setTimeout(() => setDone(false), 1600)
  }
  return (
    <button type="button" name={name} class={style ?? 'small'} onClick={() => void copy()}>
      {done ? t('copied') : (label ?? t('copy'))}
      <span class="unseen" role="status">{done ? t('copied') : ''}</span>
    </button>
  )
}

async function toClipboard(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    // Without leave to write, or away from localhost, the old way still works.
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'unseen'
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
}
