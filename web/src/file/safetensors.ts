/** The header of a safetensors file: eight bytes that say how long it is, then JSON. */

import { FileProblem, slice, whole } from './source'

export interface TensorRow {
  name: string
  dtype: string
  shape: number[]
}

/** What the format allows at most. */
const LONGEST_HEADER = 100_000_000

export async function readSafetensors(file: File): Promise<TensorRow[]> {
  if (file.size < 10) throw new FileProblem('file.damaged')
  const length = whole((await slice(file, 0, 8)).getBigUint64(0, true))
  if (length > LONGEST_HEADER || length > file.size - 8) throw new FileProblem('file.damaged')
  const text = new TextDecoder('utf-8', { fatal: true }).decode(await slice(file, 8, 8 + length))
  const header = JSON.parse(text) as Record<string, { dtype?: unknown; shape?: unknown }>
  return Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, tensor]) => {
      const { dtype, shape } = tensor
      if (typeof dtype !== 'string' || !Array.isArray(shape)) throw new FileProblem('file.damaged')
      return { name, dtype, shape: shape as number[] }
    })
}
