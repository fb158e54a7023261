/** The page's words in four languages, and numbers as each writes them. */

import { computed, effect, signal } from '@preact/signals'

export type Lang = 'en' | 'tr' | 'fa' | 'zh'
type Words = Record<string, string>

/** Each language by the name it has for itself. */
export const LANGUAGES: Record<Lang, string> = {
  en: 'English',
  tr: 'Türkçe',
  fa: 'فارسی',
  zh: '中文',
}

const CATALOGUES: Record<Lang, () => Promise<{ default: Words }>> = {
  en: () => import('../../src/weighbridge/words/en.json'),
  tr: () => import('../../src/weighbridge/words/tr.json'),
  fa: () => import('../../src/weighbridge/words/fa.json'),
  zh: () => import('../../src/weighbridge/words/zh.json'),
}

export const lang = signal<Lang>('en')
/** Whether numbers in Persian are written with Persian digits. */
export const persianDigits = signal(false)
const words = signal<Words>({})

export const locale = computed(() => {
  if (lang.value !== 'fa') return lang.value
  return persianDigits.value ? 'fa-u-nu-arabext' : 'fa-u-nu-latn'
})
export const direction = computed(() => (lang.value === 'fa' ? 'rtl' : 'ltr'))

/** Load a language and make it the page's. */
export async function speak(wanted: Lang): Promise<void> {
  const loaded = await CATALOGUES[wanted]()
  words.value = loaded.default
  lang.value = wanted
  remember('lang', wanted)
}

/** The language that was chosen before, or that the browser prefers. */
export function preferred(): Lang {
  const asked = new URLSearchParams(location.search).get('lang') ?? recall('lang')
  const wanted = [asked ?? '', ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase())
  return wanted.find((tag): tag is Lang => tag in LANGUAGES) ?? 'en'
}

effect(() => {
  document.documentElement.lang = lang.value
  document.documentElement.dir = direction.value
})

// First-strong isolate … pop: what is put in keeps its own direction and does not turn its neighbours.
const ISOLATE = '\u2068'
const POP = '\u2069'

/** The words of a key, with what stands in braces put in. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const text = words.value[`page.${key}`]
  if (text === undefined) return key
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) return `{${name}}`
    return ISOLATE + (typeof value === 'number' ? number(value) : value) + POP
  })
}

/** The direction of a sentence of the server's: of its language, whatever name or number it begins with. */
export function side(text: string | null | undefined): 'rtl' | 'ltr' {
  return /[\u0600-\u06ff]/.test(text ?? '') ? 'rtl' : 'ltr'
}

/** The words of a key, or what the server called it where no language has a word for it. */
export function named(group: string, name: string): string {
  return words.value[`page.${group}.${name}`] ?? name.replaceAll('_', ' ')
}

export function has(key: string): boolean {
  return `page.${key}` in words.value
}

const formats = new Map<string, Intl.NumberFormat>()

export function number(value: number, options: Intl.NumberFormatOptions = {}): string {
  const key = locale.value + JSON.stringify(options)
  let format = formats.get(key)
  if (format === undefined) {
    format = new Intl.NumberFormat(locale.value, options)
    formats.set(key, format)
  }
  return format.format(value)
}

export function percent(share: number, digits = 1): string {
  const least = 10 ** -(digits + 2)
  if (share > 0 && share < least) return `<${percent(least, digits)}`
  return number(share, { style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`weighbridge.${name}`, value)
  } catch {
    // A browser that keeps nothing still answers.
  }
}

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`weighbridge.${name}`)
  } catch {
    return null
  }
}
