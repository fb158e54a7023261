import { render } from 'preact'
import { App } from './App'
import { start } from './store'
import './style/base.css'
import './style/panel.css'
import './style/answer.css'
import './style/search.css'
import './theme'
import { preferred, speak } from './words'

// Words and answer are fetched together; the page is drawn as soon as it can speak.
const begun = start()
await speak(preferred())
const root = document.getElementById('app')
if (root !== null) render(<App />, root)
await begun
