/** Light and dark: what the system prefers, unless the page was told otherwise. */

import { computed, effect, signal } from '@preact/signals'
import { recall, remember } from './words'

export type Theme = 'system' | 'light' | 'dark'

const asked = recall('theme')
export const theme = signal<Theme>(asked === 'light' || asked === 'dark' ? asked : 'system')
const prefersDark = matchMedia('(prefers-color-scheme: dark)')
const systemDark = signal(prefersDark.matches)
prefersDark.addEventListener('change', (event) => (systemDark.value = event.matches))

export const scheme = computed(() => (theme.value === 'system' ? (systemDark.value ? 'dark' : 'light') : theme.value))

effect(() => {
  document.documentElement.dataset['theme'] = scheme.value
  remember('theme', theme.value)
})

/** A colour of the style sheet as it is now. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
