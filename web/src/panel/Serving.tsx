/** Engine, formats, and the work: context, users, answer, batch. */

import { engineOf, taken } from '../question'
import { option, question, set, tables } from '../store'
import { Choice } from '../ui/Choice'
import type { Item } from '../ui/Choice'
import { Slider } from '../ui/Slider'
import { tokens } from '../units'
import { t } from '../words'
import { Further } from './Further'

const CONTEXTS = [512, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024].map((n, at) => (at === 0 ? n : n * 1024))
const ANSWERS = [1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768]
const USERS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]

/** Formats of weights by family; the rest of the table follows under its own heading. */
const COMMON = ['bf16', 'fp16', 'fp8', 'int8', 'nf4', 'int4-g128', 'mxfp4', 'nvfp4']
const GGML = /^(i?q\d|tq\d|ggml|mxfp4_moe)/
const CACHE_TYPES: Record<string, string[]> = {
  'llama.cpp': ['f16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl', 'bf16', 'f32'],
  ollama: ['f16', 'q8_0', 'q4_0'],
  other: ['bf16', 'fp16', 'fp8'],
}

export function Serving() {
  const engine = engineOf(question.value)
  const known = tables.value === null ? new Set<string>() : taken(tables.value, engine)
  const text = (name: string, other: string): string => String(option(name) ?? other)
  const count = (name: string): number | null => {
    const value = option(name)
    return typeof value === 'number' ? value : null
  }
  const formats = tables.value?.formats.weights.map((format) => format.name) ?? COMMON
  const local = engine === 'llama.cpp' || engine === 'ollama'
  const others = formats.filter((name) => !COMMON.includes(name) && !GGML.test(name))
  const quants = { group: t('formats.ggml'), items: formats.filter((name) => GGML.test(name)).map(plain) }
  const usual = { group: t('formats.common'), items: COMMON.filter((name) => formats.includes(name)).map(plain) }
  const rest = { group: t('formats.other'), items: others.map(plain) }
  const caches = CACHE_TYPES[engine] ?? CACHE_TYPES['other'] ?? []
  return (
    <>
      <fieldset class="group">
        <legend>{t('engine')}</legend>
        <Choice name="engine" label={t('engine.name')} value={engine} items={(tables.value?.engines ?? [engine]).map(plain)} onChange={(value) => set('engine', value)} />
        <div class="pair">
          <Choice
            name="weights"
            label={t('formats.weights')}
            value={text('weights', 'auto')}
            items={[{ value: 'auto', label: t('formats.stored') }, ...(local ? [quants, usual, rest] : [usual, rest, quants])]}
            onChange={(value) => set('weights', value === 'auto' ? null : value)}
          />
          {known.has('kv_cache_dtype') && (
            <Choice
              name="kv_cache_dtype"
              label={t('formats.kv')}
              value={text('kv_cache_dtype', 'auto')}
              items={[{ value: 'auto', label: t('formats.engine') }, ...caches.map(plain)]}
              onChange={(value) => set('kv_cache_dtype', value === 'auto' ? null : value)}
            />
          )}
        </div>
      </fieldset>
      <fieldset class="group">
        <legend>{t('work')}</legend>
        <Slider name="max_model_len" label={t('work.context')} stops={CONTEXTS} value={count('max_model_len')} write={tokens} automatic={t('auto')} onChange={(value) => set('max_model_len', value)} />
        <Slider name="concurrency" label={t('work.users')} stops={USERS} value={count('concurrency') ?? 1} onChange={(value) => set('concurrency', value ?? 1)} />
        {known.has('max_num_seqs') && engine !== 'transformers' && (
          <Slider name="max_num_seqs" label={t('work.batch')} stops={USERS} value={count('max_num_seqs')} automatic={t('auto')} onChange={(value) => set('max_num_seqs', value)} />
        )}
        <Slider name="output_tokens" label={t('work.answer')} stops={ANSWERS} value={count('output_tokens')} write={tokens} automatic={t('auto')} onChange={(value) => set('output_tokens', value)} />
      </fieldset>
      <Further options={tables.value?.plan[engine] ?? []} shown={SHOWN} />
    </>
  )
}

const SHOWN = new Set(['on', 'engine', 'weights', 'kv_cache_dtype', 'max_model_len', 'concurrency', 'max_num_seqs', 'output_tokens', 'input_tokens'])

function plain(value: string): Item {
  return { value, label: value }
}
