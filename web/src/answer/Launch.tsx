/** The command, or the file, that launches what stands on the page. */

import { useSignal } from '@preact/signals'
import { useLater } from '../later'
import { engineOf } from '../question'
import { plan, question, tables } from '../store'
import { Choice } from '../ui/Choice'
import { Copy } from '../ui/Copy'
import { Section } from '../ui/Section'
import { t } from '../words'

/** The targets that can carry a plan of an engine. */
const TARGETS: Record<string, string[]> = {
  vllm: ['vllm', 'docker', 'k8s', 'skypilot'],
  sglang: ['sglang', 'docker', 'k8s', 'skypilot'],
  'tensorrt-llm': ['trtllm', 'docker', 'k8s', 'skypilot'],
  'llama.cpp': ['llama.cpp', 'docker', 'k8s', 'skypilot'],
  ollama: ['ollama', 'docker', 'k8s', 'skypilot'],
  transformers: ['transformers'],
}

export function Launch() {
  const serving = question.value.mode === 'serve'
  const targets = serving ? (TARGETS[engineOf(question.value)] ?? []) : (tables.value?.targets.train ?? [])
  const chosen = useSignal('')
  const target = targets.includes(chosen.value) ? chosen.value : (targets[0] ?? '')
  const later = useLater<{ text: string }>(
    serving ? 'launch/write' : 'train/write',
    (mode) => ((mode === 'serve') === serving ? { target } : null),
    target,
  )
  const text = later.value.value?.text ?? ''
  const log = plan.value?.engine.log ?? []
  return (
    <Section
      name="launch"
      title={t('launch.title')}
      later={later}
      tools={<Choice name="target" label={t('launch.target')} hideLabel value={target} items={targets.map((value) => ({ value, label: value }))} onChange={(value) => (chosen.value = value)} />}
    >
      {text !== '' && (
        <div class="code">
          <pre dir="ltr" lang="en" tabIndex={0} role="region" aria-label={t('launch.title')}>{text}</pre>
          <Copy name="copy_launch" text={() => text} />
        </div>
      )}
      {serving && log.length > 0 && (
        <details>
          <summary>{t('launch.log')}</summary>
          <pre dir="ltr" lang="en" class="log">{log.join('\n')}</pre>
        </details>
      )}
    </Section>
  )
}
