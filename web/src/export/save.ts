/** Files that the page hands to the browser, made here and sent nowhere. */

import type { Table } from '../ui/Figure'

export function save(name: string, content: string | Blob, kind: string): void {
  const blob = typeof content === 'string' ? new Blob([content], { type: `${kind};charset=utf-8` }) : content
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = `weighbridge-${name}`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

/** RFC 4180; a cell that a spreadsheet would take for a formula is made a text. */
export function csvOf(table: Table): string {
  const cell = (value: string | number): string => {
    const text = typeof value === 'string' && /^[=+@\t]/.test(value) ? `'${value}` : String(value)
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [table.head, ...table.rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n'
}

/** An SVG document drawn on a canvas, twice as fine as it is large. */
export async function pngOf(svg: string, width: number, height: number): Promise<Blob> {
  const image = new Image(width, height)
  const address = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml;charset=utf-8' }))
  try {
    await new Promise<void>((resolve, reject) => {
      image.onload = () => resolve()
      image.onerror = () => reject(new Error('the picture could not be drawn'))
      image.src = address
    })
    const canvas = document.createElement('canvas')
    canvas.width = width * 2
    canvas.height = height * 2
    canvas.getContext('2d')?.drawImage(image, 0, 0, width * 2, height * 2)
    return await new Promise<Blob>((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no picture'))), 'image/png')
    })
  } finally {
    URL.revokeObjectURL(address)
  }
}
