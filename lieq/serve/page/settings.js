// The dialog of settings, and light and dark.
const fields = [...document.querySelectorAll('[data-setting]')];
const darkSystem = matchMedia('(prefers-color-scheme: dark)');

function showTheme() {
  const wanted = store.settings.theme;
  const dark = wanted ? wanted === 'dark' : darkSystem.matches;
  if (wanted) document.documentElement.dataset.theme = wanted;
  else delete document.documentElement.dataset.theme;
  document.documentElement.classList.toggle('dark', dark);
}

function showSettings() {
  for (const field of fields) field.value = store.settings[field.dataset.setting] ?? '';
}

function openSettings(note = '', focus = '') {
  showSettings();
  $('settings-note').textContent = note;
  if (!$('settings').open) $('settings').showModal();
  if (focus) fields.find((field) => field.dataset.setting === focus).focus();
}

for (const field of fields) {
  field.addEventListener('input', () => {
    // A number out of its range stays in the field, in red, and is not used.
    if (field.validity.valid && field.value !== '') store.settings[field.dataset.setting] = field.value;
    else delete store.settings[field.dataset.setting];
    $('settings-note').textContent = field.validity.valid ? '' : field.validationMessage;
    store.saveSettings();
    showTheme();
  });
}
$('settings').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && event.target.matches('input')) {
    event.preventDefault();
    $('settings').close();
  }
});
$('settings').addEventListener('click', (event) => {
  if (event.target === $('settings')) $('settings').close();
});
$('settings').querySelector('form').noValidate = true;
$('settings').addEventListener('close', () => {
  showModel();
  focusPrompt();
});
$('settings-open').addEventListener('click', () => openSettings());
$('reset').addEventListener('click', () => {
  for (const name of Object.keys(store.settings)) if (name !== 'key') delete store.settings[name];
  store.saveSettings();
  showSettings();
  showTheme();
  $('settings-note').textContent = '';
});
$('theme').addEventListener('click', () => {
  store.settings.theme = document.documentElement.classList.contains('dark') ? 'light' : 'dark';
  store.saveSettings();
  showTheme();
});
darkSystem.addEventListener('change', showTheme);
showTheme();
