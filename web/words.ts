import type { Plugin } from 'vite'

/** Of a catalogue of words the page carries its own; the rest is the command line's. */
export function pageWords(): Plugin {
  return {
    name: 'page-words',
    enforce: 'pre',
    transform(code, id) {
      if (!/\/words\/[a-z]{2}\.json$/.test(id)) return null
      const words = Object.entries(JSON.parse(code) as Record<string, string>)
      return JSON.stringify(Object.fromEntries(words.filter(([key]) => key.startsWith('page.'))))
    },
  }
}
