/** Which model: a name of the catalogue or the Hub, a pasted config, a dropped file. */

import { useComputed, useSignal } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { pastedConfig, readDropped } from '../file/dropped'
import { FileProblem } from '../file/source'
import { answer, ask, models, question } from '../store'
import { Combo } from '../ui/Combo'
import type { Proposal } from '../ui/Combo'
import { parameters } from '../units'
import { t } from '../words'

export function Model() {
  const complaint = useSignal<string | null>(null)
  const over = useSignal(false)
  const chooser = useRef<HTMLInputElement>(null)
  const proposals = useComputed<Proposal[]>(() =>
    models.value.map((model) => ({
      value: model.id,
      label: model.id,
      detail: parameters(model.parameters),
      text: [model.id, ...model.names, model.type].join(' ').toLowerCase(),
    })),
  )
  const say = (error: unknown): void => {
    complaint.value = error instanceof FileProblem ? t(error.key, error.values) : String(error)
  }
  const pick = (text: string): void => {
    complaint.value = null
    try {
      const given = pastedConfig(text)
      const { given: _, ...rest } = question.value
      if (given !== null) question.value = { ...rest, model: given.name, given }
      else if (text !== question.value.given?.name) question.value = { ...rest, model: text }
    } catch (error) {
      say(error)
    }
  }
  const drop = async (files: File[]): Promise<void> => {
    complaint.value = null
    if (files.length === 0) return
    try {
      const given = await readDropped(files)
      ask({ model: given.name, given })
    } catch (error) {
      say(error)
    }
  }
  const facts = answer.value?.model
  return (
    <fieldset
      class={`group drop ${over.value ? 'over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault()
        over.value = true
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={(event) => {
        event.preventDefault()
        over.value = false
        void drop([...(event.dataTransfer?.files ?? [])])
      }}
    >
      <legend>{t('model')}</legend>
      <Combo
        name="model"
        label={t('model.name')}
        hideLabel
        placeholder={t('model.placeholder')}
        value={question.value.model}
        proposals={proposals.value}
        onPick={pick}
      />
      {facts !== undefined && (
        <p class="hint">
          {t('model.facts', { parameters: parameters(facts.parameters), layers: facts.layers })}
          {facts.active_parameters < facts.parameters && ` · ${t('model.active', { parameters: parameters(facts.active_parameters) })}`}
        </p>
      )}
      <p class="hint">
        <button type="button" class="link" name="choose_file" onClick={() => chooser.current?.click()}>{t('model.choose')}</button>{' '}
        {t('model.stays')}
      </p>
      <input
        ref={chooser}
        type="file"
        name="file"
        class="unseen"
        multiple
        tabIndex={-1}
        aria-label={t('model.choose')}
        accept=".safetensors,.gguf,.json"
        onChange={(event) => {
          void drop([...(event.currentTarget.files ?? [])])
          event.currentTarget.value = ''
        }}
      />
      {complaint.value !== null && <p class="complaint" role="alert">{complaint.value}</p>}
    </fieldset>
  )
}
