/** The header of a GGUF file. A tokenizer's words are stepped over; the server is told how many they are. */

import { FileProblem, whole } from './source'
import type { TensorRow } from './safetensors'

export interface GgufTable {
  metadata: Record<string, unknown>
  tensors: TensorRow[]
}

const MAGIC = 0x46554747
const LONGEST_HEADER = 128 * 2 ** 20
const [MOST_TENSORS, MOST_ENTRIES, MOST_KEPT] = [131_072, 8192, 16_384]
const [BOOLEAN, STRING, ARRAY] = [7, 8, 9]

/** ggml's types by their number in ggml.h. */
const TYPES: Record<number, string> = {
  0: 'F32', 1: 'F16', 2: 'Q4_0', 3: 'Q4_1', 6: 'Q5_0', 7: 'Q5_1', 8: 'Q8_0', 9: 'Q8_1',
  10: 'Q2_K', 11: 'Q3_K', 12: 'Q4_K', 13: 'Q5_K', 14: 'Q6_K', 15: 'Q8_K', 16: 'IQ2_XXS',
  17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS',
  24: 'I8', 25: 'I16', 26: 'I32', 27: 'I64', 28: 'F64', 29: 'IQ1_M', 30: 'BF16', 34: 'TQ1_0',
  35: 'TQ2_0', 39: 'MXFP4', 40: 'NVFP4', 41: 'Q1_0', 42: 'Q2_0',
}

/** Bytes of the numbers of each kind of value. */
const SIZES: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 }

/** A view of the file's beginning that grows as it is read. */
class Cursor {
  private view = new DataView(new ArrayBuffer(0))
  private at = 0

  constructor(private readonly file: Blob) {}

  /** Where the next `count` bytes begin in the view. */
  private async take(count: number): Promise<number> {
    const end = this.at + count
    if (!(count >= 0) || end > Math.min(this.file.size, LONGEST_HEADER)) throw new FileProblem('file.damaged')
    if (end > this.view.byteLength) {
      const wanted = Math.min(Math.max(end, this.view.byteLength * 2, 2 ** 20), this.file.size)
      this.view = new DataView(await this.file.slice(0, wanted).arrayBuffer())
    }
    const from = this.at
    this.at = end
    return from
  }

  async u32(): Promise<number> {
    const from = await this.take(4)
    return this.view.getUint32(from, true)
  }

  async u64(): Promise<number> {
    const from = await this.take(8)
    return whole(this.view.getBigUint64(from, true))
  }

  async skip(count: number): Promise<void> {
    await this.take(count)
  }

  async text(): Promise<string> {
    const length = await this.u64()
    const from = await this.take(length)
    return new TextDecoder().decode(new Uint8Array(this.view.buffer, from, length))
  }

  async scalar(kind: number): Promise<number | boolean | string> {
    if (kind === STRING) return this.text()
    const size = SIZES[kind]
    if (size === undefined) throw new FileProblem('file.damaged')
    const from = await this.take(size)
    const view = this.view
    if (kind === BOOLEAN) return view.getUint8(from) !== 0
    const readers: Record<number, () => number> = {
      0: () => view.getUint8(from),
      1: () => view.getInt8(from),
      2: () => view.getUint16(from, true),
      3: () => view.getInt16(from, true),
      4: () => view.getUint32(from, true),
      5: () => view.getInt32(from, true),
      6: () => view.getFloat32(from, true),
      10: () => Number(view.getBigUint64(from, true)),
      11: () => Number(view.getBigInt64(from, true)),
      12: () => view.getFloat64(from, true),
    }
    return readers[kind]?.() ?? 0
  }
}

export async function readGguf(file: Blob): Promise<GgufTable> {
  const cursor = new Cursor(file)
  if ((await cursor.u32()) !== MAGIC) throw new FileProblem('file.damaged')
  const version = await cursor.u32()
  if (version !== 2 && version !== 3) throw new FileProblem('file.version', { version })
  const tensors = await cursor.u64()
  const entries = await cursor.u64()
  if (tensors > MOST_TENSORS || entries > MOST_ENTRIES) throw new FileProblem('file.damaged')
  return { metadata: await readMetadata(cursor, entries), tensors: await readTensors(cursor, tensors) }
}

async function readMetadata(cursor: Cursor, entries: number): Promise<Record<string, unknown>> {
  const metadata: Record<string, unknown> = {}
  for (let i = 0; i < entries; i += 1) {
    const key = await cursor.text()
    const kind = await cursor.u32()
    const value = kind === ARRAY ? await readArray(cursor) : await cursor.scalar(kind)
    // A chat template says nothing of memory, and is long.
    metadata[key] = typeof value === 'string' && value.length > 4096 ? { count: value.length } : value
  }
  return metadata
}

async function readArray(cursor: Cursor): Promise<unknown> {
  const kind = await cursor.u32()
  const count = await cursor.u64()
  if (kind === STRING) {
    for (let i = 0; i < count; i += 1) await cursor.skip(await cursor.u64())
    return { count }
  }
  const size = SIZES[kind]
  if (size === undefined) throw new FileProblem('file.damaged')
  if (count > MOST_KEPT) {
    await cursor.skip(count * size)
    return { count }
  }
  const values: unknown[] = []
  for (let i = 0; i < count; i += 1) values.push(await cursor.scalar(kind))
  return values
}

async function readTensors(cursor: Cursor, count: number): Promise<TensorRow[]> {
  const tensors: TensorRow[] = []
  for (let i = 0; i < count; i += 1) {
    const name = await cursor.text()
    const dimensions = await cursor.u32()
    if (dimensions > 4) throw new FileProblem('file.damaged')
    const shape: number[] = []
    for (let d = 0; d < dimensions; d += 1) shape.unshift(await cursor.u64())
    const dtype = TYPES[await cursor.u32()]
    if (dtype === undefined) throw new FileProblem('file.damaged')
    await cursor.skip(8)
    tensors.push({ name, dtype, shape })
  }
  return tensors
}
