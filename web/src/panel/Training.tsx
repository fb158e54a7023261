/** How a model is trained: method, optimizer, checkpointing, sharding, and the work of a step. */

import { option, set, tables } from '../store'
import { Choice, Segments } from '../ui/Choice'
import type { Item } from '../ui/Choice'
import { Slider } from '../ui/Slider'
import { tokens } from '../units'
import { t } from '../words'
import { Further } from './Further'

const LENGTHS = [128, 256, 512, 1024, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 32768, 65536, 131072]
const BATCHES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256]
const RANKS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
const OPTIMIZERS = ['adamw', 'adamw-fp32', 'adamw-8bit', 'paged-adamw-8bit', 'adafactor', 'lion', 'lion-8bit', 'muon', 'adam-mini', 'galore', 'apollo', 'sgd', 'sgd-momentum', 'lomo', 'adalomo']
const PRECISIONS = ['bf16', 'fp32', 'amp-bf16', 'amp-fp16', 'fsdp-mixed', 'deepspeed-bf16', 'megatron-bf16']
const CHECKPOINTINGS = ['none', 'selective', 'full', 'every-2', 'every-4', 'offloaded']

export function Training() {
  const rows = (tables.value?.training ?? []).flatMap((group) => group.options)
  const choices = (name: string, other: string[]): Item[] => {
    const stated = rows.find((row) => row.name === name)?.choices ?? []
    return (stated.length > 0 ? stated : other).map((value) => ({ value, label: value }))
  }
  const text = (name: string, other: string): string => String(option(name) ?? other)
  const count = (name: string, other: number): number => Number(option(name) ?? other)
  const method = text('method', 'full')
  const auto: Item = { value: '', label: t('auto') }
  return (
    <>
      <fieldset class="group">
        <legend>{t('training')}</legend>
        <Segments
          name="method"
          label={t('training.method')}
          value={method}
          items={[
            { value: 'full', label: t('training.full') },
            { value: 'lora', label: 'LoRA' },
            { value: 'qlora', label: 'QLoRA' },
          ]}
          onChange={(value) => set('method', value)}
        />
        <div class="pair">
          <Choice name="optimizer" label={t('training.optimizer')} value={text('optimizer', 'adamw')} items={OPTIMIZERS.map((value) => ({ value, label: value }))} onChange={(value) => set('optimizer', value)} />
          <Choice name="checkpointing" label={t('training.checkpointing')} value={text('checkpointing', method === 'qlora' ? 'full' : 'none')} items={CHECKPOINTINGS.map((value) => ({ value, label: value }))} onChange={(value) => set('checkpointing', value)} />
          <Choice name="sharding" label={t('training.sharding')} value={text('sharding', '')} items={[auto, ...choices('sharding', ['none', 'ddp', 'zero3', 'fsdp2'])]} onChange={(value) => set('sharding', value)} />
          <Choice name="precision" label={t('training.precision')} value={text('precision', '')} items={[auto, ...PRECISIONS.map((value) => ({ value, label: value }))]} onChange={(value) => set('precision', value)} />
          <Choice name="offload" label={t('training.offload')} value={text('offload', 'none')} items={choices('offload', ['none'])} onChange={(value) => set('offload', value)} />
        </div>
      </fieldset>
      <fieldset class="group">
        <legend>{t('work')}</legend>
        <Slider name="seq_len" label={t('training.length')} stops={LENGTHS} value={count('seq_len', 2048)} write={tokens} onChange={(value) => set('seq_len', value)} />
        <Slider name="micro_batch" label={t('training.batch')} stops={BATCHES} value={count('micro_batch', 1)} onChange={(value) => set('micro_batch', value)} />
        {method !== 'full' && <Slider name="lora_rank" label={t('training.rank')} stops={RANKS} value={count('lora_rank', 16)} onChange={(value) => set('lora_rank', value)} />}
      </fieldset>
      <Further options={rows} shown={SHOWN} />
    </>
  )
}

const SHOWN = new Set(['on', 'method', 'optimizer', 'checkpointing', 'sharding', 'precision', 'offload', 'seq_len', 'micro_batch', 'lora_rank'])
