/** A file that is read only as far as its header goes; its weights never leave the disk. */

/** What is wrong with a file; the key of a sentence and what stands in it. */
export class FileProblem extends Error {
  constructor(
    readonly key: string,
    readonly values: Record<string, string | number> = {},
  ) {
    super(key)
  }
}

export async function slice(file: Blob, from: number, to: number): Promise<DataView> {
  return new DataView(await file.slice(from, to).arrayBuffer())
}

/** Largest whole number of 64 bits that is exact here; more than that no header means. */
export function whole(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new FileProblem('file.damaged')
  return Number(value)
}
