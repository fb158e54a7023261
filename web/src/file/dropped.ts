/** Files that were dropped → what of them is asked about: names, types and shapes, never weights. */

import type { Given } from '../question'
import { readGguf } from './gguf'
import { readSafetensors } from './safetensors'
import type { TensorRow } from './safetensors'
import { FileProblem } from './source'

const LARGEST_CONFIG = 10_000_000

export async function readDropped(files: File[]): Promise<Given> {
  const ending = (text: string): File[] => files.filter((file) => file.name.toLowerCase().endsWith(text))
  const [gguf] = ending('.gguf')
  const shards = ending('.safetensors')
  const [configFile] = files.filter((file) => /(^|\.)config\.json$|^config.*\.json$/i.test(file.name))
  const config = configFile === undefined ? undefined : await readConfig(configFile)
  if (gguf !== undefined) {
    const { metadata, tensors } = await readGguf(gguf)
    const bytes = ending('.gguf').reduce((sum, file) => sum + file.size, 0)
    return { name: gguf.name, table: { format: 'gguf', metadata, tensors, file_bytes: bytes } }
  }
  if (shards.length > 0) {
    if (config === undefined) throw new FileProblem('file.no_config')
    const tensors: TensorRow[] = []
    for (const shard of shards) tensors.push(...(await readSafetensors(shard)))
    return { name: shards[0]?.name ?? '', table: { format: 'safetensors', config, tensors } }
  }
  if (config !== undefined && configFile !== undefined) return { name: nameOf(config, configFile.name), config }
  const [json] = ending('.json')
  if (json !== undefined) return { name: json.name, config: await readConfig(json) }
  throw new FileProblem('file.unknown', { name: files[0]?.name ?? '' })
}

/** A config.json that was pasted as text; null where the text is none. */
export function pastedConfig(text: string): Given | null {
  if (!text.trim().startsWith('{') || text.length > LARGEST_CONFIG) return null
  try {
    const config = JSON.parse(text) as Record<string, unknown>
    return { name: nameOf(config, 'config.json'), config }
  } catch {
    throw new FileProblem('file.no_json')
  }
}

async function readConfig(file: File): Promise<Record<string, unknown>> {
  if (file.size > LARGEST_CONFIG) throw new FileProblem('file.damaged')
  try {
    const read = JSON.parse(await file.text()) as unknown
    if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read as Record<string, unknown>
  } catch {
    // Falls through to the sentence below.
  }
  throw new FileProblem('file.no_json')
}

function nameOf(config: Record<string, unknown>, other: string): string {
  const stated = config['_name_or_path']
  return typeof stated === 'string' && /^[\w.-]+\/[\w.-]+$/.test(stated) ? stated : other
}
