/** A button that opens a short list of actions. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'

export interface Action {
  name: string
  label: string
  run: () => void | Promise<void>
}

export function Menu({ name, label, actions }: { name: string; label: string; actions: Action[] }) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    if (!open) return
    root.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
    const away = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false)
    }
    addEventListener('pointerdown', away)
    return () => removeEventListener('pointerdown', away)
  }, [open])
  const onKeyDown = (event: KeyboardEvent): void => {
    const items = [...(root.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = items.indexOf(document.activeElement as HTMLElement)
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step !== undefined && items.length > 0) {
      event.preventDefault()
      items[(at + step + items.length) % items.length]?.focus()
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      setOpen(false)
      if (event.key === 'Escape') root.current?.querySelector('button')?.focus()
    }
  }
  return (
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button type="button" name={name} aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open && (
        <ul role="menu" aria-label={label}>
          {actions.map((action) => (
            <li key={action.name} role="none">
              <button
                type="button"
                role="menuitem"
                name={action.name}
                onClick={() => {
                  setOpen(false)
                  root.current?.querySelector('button')?.focus()
                  void action.run()
                }}
              >
                {action.label}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
