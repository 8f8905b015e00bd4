// Small things that all parts of the page use.
const $ = (id) => document.getElementById(id);

const ICONS = {
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  menu: 'M4 7h16M4 12h16M4 17h16',
  theme: 'M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5z',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  down: 'M12 5v14M6 13l6 6 6-6',
  think: 'M9.5 17.5h5M10.5 20.5h3M9.5 17.5c0-2-3-3.6-3-7.2a5.5 5.5 0 0 1 11 0c0 3.6-3 5.2-3 7.2',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  again: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.2M20 4v5.2h-5.2',
  bin: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
};

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'i');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

function iconButton(name, label, action) {
  const made = element('button', {type: 'button', className: 'icon', title: label, 'aria-label': label}, icon(name));
  made.addEventListener('click', action);
  return made;
}

let toastTimer = 0;
function toast(text, label = '', action = null) {
  const box = $('toast'),
    button = box.querySelector('button');
  box.querySelector('span').textContent = text;
  button.textContent = label;
  button.hidden = !action;
  button.onclick = () => {
    box.hidden = true;
    action?.();
  };
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    box.hidden = true;
  }, 6000);
}

// The clipboard is not there for pages over plain http from other machines; there a hidden field is copied.
async function copyText(text, label) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element('textarea', {value: text, className: 'hidden'});
    document.body.append(field);
    field.select();
    done = document.execCommand('copy');
    field.remove();
  }
  if (!label) return toast(done ? 'Copied' : 'The browser does not allow copying');
  label.textContent = done ? 'Copied' : 'Not allowed';
  setTimeout(() => {
    label.textContent = 'Copy';
  }, 1600);
}

function speak(text) {
  $('spoken').textContent = text;
}

// A field as high as its text.
function fit(field) {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

// Not on a phone, where it would open the keyboard.
function focusPrompt() {
  if (!matchMedia('(max-width: 760px)').matches) $('prompt').focus();
}
