// What makes the pages nicer where scripts run; without it everything works, with whole pages.
'use strict';

// Times in the reader's own zone and language. Those that are typed are sent in UTC.
function localise(root) {
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (!isNaN(at)) { time.title = time.textContent; time.textContent = shown.format(at); }
  }
  for (const field of root.querySelectorAll('input[data-time]')) {
    const at = new Date(field.value);
    // What is no time stays as it was typed, with what is said of it.
    if (field.value && isNaN(at)) continue;
    const local = field.value && new Date(at - 60000 * at.getTimezoneOffset()).toISOString();
    field.type = 'datetime-local';
    if (local) { field.step = at.getSeconds() ? 1 : 60; field.value = local.slice(0, at.getSeconds() ? 19 : 16); }
    for (const label of field.labels) label.querySelector('[data-zone]')?.remove();
  }
}
document.addEventListener('formdata', ({ target, formData }) => {
  for (const field of target.querySelectorAll('input[type="datetime-local"]')) {
    const at = new Date(field.value);
    if (!isNaN(at)) formData.set(field.name, at.toISOString());
  }
});

// Buttons that only rearrange a form: the same request, but the page stays where it is.
let asked = 0;
async function send(form, button) {
  const turn = ++asked;
  const fields = new URLSearchParams(new FormData(form));
  if (button && button.name) fields.append(button.name, button.value);
  form.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(form.action, { method: 'POST', body: fields, headers: { 'X-Part': '1' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    if (turn !== asked) return;
    const next = page.getElementById(form.id);
    if (answer.redirected || !next) { location.assign(answer.redirected ? answer.url : location.href); return; }
    return next;
  } finally { form.removeAttribute('aria-busy'); }
}

document.addEventListener('submit', async (event) => {
  const { target: form, submitter } = event;
  if (!form.id || !submitter || !submitter.hasAttribute('data-here')) return;
  event.preventDefault();
  const next = await send(form, submitter);
  if (!next) return;
  form.replaceWith(next);
  localise(next);
  prepare(next);
  const again = submitter.dataset.focus || submitter.value;
  const focus = next.querySelector(`[data-focus="${CSS.escape(again)}"], [value="${CSS.escape(again)}"]`) || next.querySelector('[aria-invalid]');
  if (focus) focus.focus();
});

// What a draft would change, beside the save button, a second after the last key.
function prepare(root) {
  for (const place of root.querySelectorAll('[data-effect]')) {
    const form = place.closest('form');
    if (form.dataset.watched) continue;
    form.dataset.watched = '1';
    let timer;
    form.addEventListener('input', () => {
      form.dataset.changed = '1';
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const next = await send(form, { name: 'do', value: 'effect' });
        const shown = next && next.querySelector('[data-effect]');
        const old = form.querySelector('[data-effect]');
        if (shown && old) old.replaceWith(shown);
      }, 1000);
    });
    form.addEventListener('submit', () => { delete form.dataset.changed; });
  }
}
addEventListener('beforeunload', (event) => {
  if (document.querySelector('form[data-changed]')) event.preventDefault();
});

// Groups of the tenant, as they are typed.
let typing;
document.addEventListener('input', (event) => {
  const field = event.target;
  const from = field.dataset && field.dataset.search;
  const list = from && field.list;
  if (!list || field.value.length < 1) return;
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const answer = await fetch(`${from}?search=${encodeURIComponent(field.value)}`);
    if (!answer.ok) return;
    const { options } = await answer.json();
    list.replaceChildren(...options.map(({ value, label }) => {
      const option = document.createElement('option');
      option.value = value;
      option.label = label;
      return option;
    }));
  }, 250);
});

// What goes on is looked at again, while the page is in view.
function follow() {
  const live = document.querySelector('[data-refresh]');
  if (!live) return;
  setTimeout(async () => {
    if (document.hidden) { follow(); return; }
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const next = page.getElementById(live.id);
    if (answer.redirected || !next) { location.reload(); return; }
    const open = [...live.querySelectorAll('details[open][id]')].map((it) => it.id);
    live.replaceWith(next);
    for (const id of open) { const it = document.getElementById(id); if (it) it.open = true; }
    localise(next);
    follow();
  }, 1000 * Number(live.dataset.refresh));
}

localise(document);
prepare(document);
follow();
