"""What is asked of a page in its own language."""

from __future__ import annotations

from typing import Final

WITHOUT: Final = """
for (const name of [
  'Worker', 'SharedWorker', 'RTCPeerConnection', 'webkitRTCPeerConnection', 'WebTransport', 'WebSocketStream', 'fetchLater',
]) delete globalThis[name];
for (const name of ['joinAdInterestGroup', 'leaveAdInterestGroup', 'updateAdInterestGroups', 'runAdAuction', 'sendAdAuctionBeacon'])
  delete Navigator.prototype[name];
"""
"""Run before any script of any window: what would send where the browser's requests are not seen does not exist."""

_NAMES: Final = """
  const bare = label => {
    const copy = label.cloneNode(true)
    copy.querySelectorAll('select, textarea').forEach(e => e.remove())
    return copy.textContent
  }
  const label = e => e.labels && e.labels[0] ? bare(e.labels[0]) : ''
  const name = e => (label(e) || e.getAttribute('aria-label') || e.name || e.id || e.placeholder || '').trim()
"""

FACTS: Final = f"""(most) => {{
{_NAMES}
  const seen = e => e.type !== 'hidden' && e.getClientRects().length > 0
  const secret = e => e.value ? '(hidden)' : ''
  const value = e => e.type === 'password' ? secret(e) : ['checkbox', 'radio'].includes(e.type) ? String(e.checked) : e.value
  const options = e => e.tagName === 'SELECT' ? {{options: [...e.options].slice(0, most).map(o => o.label)}} : {{}}
  const pressed = ['submit', 'button', 'image', 'reset']
  const all = query => [...document.querySelectorAll(query)].filter(seen)
  const buttons = all('button, input[type=submit], input[type=button], input[type=image], [role=button]')
  return {{
    text: document.body ? document.body.innerText : '',
    fields: all('input, textarea, select').filter(e => !pressed.includes(e.type)).slice(0, most)
      .map(e => ({{field: name(e), type: e.type, value: value(e), ...options(e)}})),
    buttons: buttons.slice(0, most).map(e => (e.innerText || e.value || name(e) || e.alt || '').trim()),
    links: all('a[href]').slice(0, most).map(e => ({{text: e.innerText.trim(), url: e.href}})),
  }}
}}"""

CALLED: Final = f"(found, wanted) => {{ {_NAMES} return found.flatMap((e, at) => name(e) === wanted ? [at] : []) }}"
"""Which of these elements `FACTS` calls so."""

HIDDEN: Final = """() => {
  const all = [...document.querySelectorAll('input, textarea, select, button')].filter(e => e.name)
  const seen = new Set(all.filter(e => e.type !== 'hidden').map(e => e.name))
  return [...new Set(all.map(e => e.name))].filter(name => !seen.has(name))
}"""
"""The names that stand for nothing but hidden fields, anywhere on the page."""

KIND: Final = "e => e.tagName === 'SELECT' ? 'select' : e.type || ''"
