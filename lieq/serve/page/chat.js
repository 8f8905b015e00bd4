// The conversation that is open: its messages, and the answer that is being written.
const SAMPLES = [
  'Explain how a rainbow forms, in three sentences.',
  'Write a Python function that checks for palindromes.',
  'Compare tea and coffee in a small table.',
  'Suggest a name for a cat that likes boxes.',
];
const SAVE_EVERY = 1000; // milliseconds, while an answer is written

let current = null; // the conversation that is shown; in the store once it has a message
let running = null; // {chat, message, abort}: the answer that is being written
let atEnd = true; // the view follows the text
let thinks = null; // whether the model thinks by itself; null: nobody can tell it to

const emptyChat = () => ({id: store.newId(), title: '', named: false, updated: Date.now(), messages: []});

function keep(chat) {
  if (!store.chats.includes(chat)) store.chats.unshift(chat);
  if (!store.save(chat)) toast('The browser has no room for this conversation: it will be lost on reload.');
}

function openChat(chat) {
  current = chat;
  atEnd = true;
  showChats();
  showMessages();
  focusPrompt();
}

const newChat = () => openChat(emptyChat());

// --- what is shown

function showMessages() {
  $('messages').replaceChildren(...current.messages.map(messageElement));
  $('hello').hidden = current.messages.length > 0;
  document.title = current.title ? `${current.title} - lieq` : 'lieq';
  showControls();
  follow();
}

function showControls() {
  const busy = running !== null;
  $('send').hidden = busy;
  $('stop').hidden = !busy;
  $('send').disabled = !$('prompt').value.trim();
}

// What is sent: nothing to a model that cannot be told.
const thinking = () => (thinks === null ? undefined : (store.settings.thinking ?? thinks));

function showThinking() {
  $('think').hidden = thinks === null;
  $('think').setAttribute('aria-pressed', String(thinking() ?? false));
  $('think').title = thinking() ? 'The model reasons before it answers' : 'The model answers at once';
}

function follow() {
  if (atEnd) $('scroll').scrollTop = $('scroll').scrollHeight;
  $('down').hidden = atEnd;
}

function messageElement(message) {
  const made = element('article', {className: `message ${message.role}`});
  made.setAttribute('aria-label', message.role === 'user' ? 'You' : 'Model');
  if (message.role === 'user') showUser(made, message);
  else showAnswer(made, message);
  return made;
}

function showUser(made, message) {
  made.replaceChildren(
    element('div', {className: 'text'}, message.content),
    element(
      'div',
      {className: 'foot'},
      iconButton('edit', 'Edit and send again', () => editMessage(message)),
      iconButton('copy', 'Copy', () => copyText(message.content)),
    ),
  );
}

function showAnswer(made, message) {
  const part = (name, make) => made.querySelector(`:scope > .${name}`) ?? make();
  const writing = running?.message === message;
  if (message.reasoning) {
    const box = part('reasoning', () => {
      const details = element(
        'details',
        {className: 'reasoning', open: writing},
        element('summary'),
        element('div', {className: 'md'}),
      );
      made.prepend(details);
      return details;
    });
    const thinking = writing && !message.content;
    // It folds by itself once the answer begins (of which the first that is drawn may be its end).
    if (message.content && !box.dataset.folded) {
      box.open = false;
      box.dataset.folded = 'yes';
    }
    box.firstChild.textContent = thinking ? 'Thinking ...' : 'Reasoning';
    showMarkdown(box.lastChild, message.reasoning);
  }
  if (message.content) {
    showMarkdown(
      part('answer', () => {
        const text = element('div', {className: 'answer md'});
        const before = made.querySelector(':scope > .reasoning');
        if (before) before.after(text);
        else made.prepend(text);
        return text;
      }),
      message.content,
    );
  }
  for (const old of made.querySelectorAll(':scope > .foot, :scope > .waiting, :scope > .error')) old.remove();
  if (writing) {
    if (!message.content && !message.reasoning)
      made.append(
        element('div', {className: 'waiting', 'aria-label': 'Waiting'}, element('i'), element('i'), element('i')),
      );
    else made.append(element('div', {className: 'foot'}, element('span', {className: 'stats'}, message.stats)));
    return;
  }
  if (message.error) {
    const again = element('button', {type: 'button'}, 'Try again');
    again.addEventListener('click', () => regenerate(message));
    made.append(element('div', {className: 'error', role: 'alert'}, element('span', {}, message.error), again));
    if (!message.content) return;
  }
  const foot = element(
    'div',
    {className: 'foot'},
    iconButton('copy', 'Copy', () => copyText(message.content)),
    iconButton('again', 'Write another answer', () => regenerate(message)),
  );
  if (message.stats) foot.append(element('span', {className: 'stats'}, message.stats));
  made.append(foot);
}

const elementOf = (message) => $('messages').children[current.messages.indexOf(message)];

// --- what is done

function send(text) {
  const trimmed = text.trim();
  if (!trimmed || running) return;
  const chat = current;
  chat.messages.push({role: 'user', content: trimmed, reasoning: '', stats: '', error: ''});
  if (!chat.named && chat.messages.length === 1) chat.title = trimmed.split('\n')[0].slice(0, 60);
  answer(chat);
}

function regenerate(message) {
  if (running) return;
  current.messages.splice(current.messages.indexOf(message));
  answer(current);
}

function editMessage(message) {
  if (running) return;
  const made = elementOf(message);
  const field = element('textarea', {value: message.content, 'aria-label': 'Your message'});
  const cancel = element('button', {type: 'button'}, 'Cancel');
  const done = element('button', {type: 'button', className: 'primary'}, 'Send');
  const end = () => {
    showUser(made, message);
    focusPrompt();
  };
  const submit = () => {
    if (!field.value.trim() || running) return;
    const at = current.messages.indexOf(message);
    message.content = field.value.trim();
    if (at === 0 && !current.named) current.title = message.content.split('\n')[0].slice(0, 60);
    current.messages.splice(at + 1);
    answer(current);
  };
  cancel.addEventListener('click', end);
  done.addEventListener('click', submit);
  field.addEventListener('input', () => fit(field));
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      end();
    }
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  made.replaceChildren(element('div', {className: 'edit'}, field, element('div', {}, cancel, done)));
  fit(field);
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

// Lets the model answer what `chat` holds so far.
async function answer(chat) {
  const message = {role: 'assistant', content: '', reasoning: '', stats: '', error: ''};
  const sent = [];
  for (const {role, content} of chat.messages) {
    // Templates want turns to alternate, also where an answer failed.
    if (sent.at(-1)?.role === role) sent.at(-1).content += `\n\n${content}`;
    else if (content) sent.push({role, content});
  }
  if (store.settings.system) sent.unshift({role: 'system', content: store.settings.system});
  chat.messages.push(message);
  running = {chat, message, abort: new AbortController()};
  const own = running;
  keep(chat);
  openChat(chat);
  speak('The model answers.');
  let saved = performance.now(),
    drawn = true;
  const draw = () => {
    drawn = true;
    if (current === chat && elementOf(message)) {
      showAnswer(elementOf(message), message);
      follow();
    }
  };
  try {
    const result = await complete(sent, {...store.settings, thinking: thinking()}, own.abort.signal, (piece) => {
      message.content += piece.content;
      message.reasoning += piece.reasoning;
      if (piece.rate) message.stats = `${piece.rate.toFixed(1)} tokens/s`;
      if (drawn) {
        drawn = false;
        requestAnimationFrame(draw);
      }
      if (performance.now() - saved > SAVE_EVERY) {
        saved = performance.now();
        store.save(chat);
      }
    });
    const parts = [`${result.tokens} token${result.tokens === 1 ? '' : 's'}`];
    if (result.perSecond) parts.push(`${result.perSecond.toFixed(1)} tokens/s`);
    if (result.wait) parts.push(`first after ${result.wait.toFixed(1)} s`);
    if (result.finish === 'length') parts.push('cut at the limit of tokens');
    message.stats = parts.join(' \u00b7 ');
    if (!message.content && !message.reasoning) message.error = 'The model answered nothing.';
    speak('The answer is complete.');
  } catch (error) {
    if (error.name === 'AbortError') {
      message.stats = message.stats ? `${message.stats} \u00b7 stopped` : 'stopped';
      speak('Stopped.');
    } else {
      message.error = error.message;
      if (error.status === 429 && error.retryAfter) message.error += ` Try again in ${error.retryAfter} s.`;
      if (error.status === 401 || error.status === 403) openSettings('The server asks for an API key.', 'key');
    }
  }
  running = null;
  // Nothing was written before it was stopped: no empty answer stays behind.
  if (!message.content && !message.reasoning && !message.error) chat.messages.splice(chat.messages.indexOf(message), 1);
  if (store.chats.includes(chat)) keep(chat);
  showChats();
  if (current === chat && !document.querySelector('.edit')) {
    if (elementOf(message)) showAnswer(elementOf(message), message);
    else showMessages();
  }
  showControls();
  follow();
}

const stop = () => running?.abort.abort();

let asking = 0;
async function showModel() {
  clearTimeout(asking);
  const again = (seconds) => {
    asking = setTimeout(showModel, seconds * 1000);
  };
  const show = (name, words) => {
    $('model').textContent = name;
    $('hello-model').textContent = words;
  };
  try {
    const {name, thinks: byItself} = await servedModel();
    thinks = byItself;
    showThinking();
    show(name || 'lieq', name ? `${name}, running on this server` : '');
  } catch (error) {
    if (error.status === 401 || error.status === 403) {
      show('locked', 'The server asks for an API key.');
      if (!store.settings.key) openSettings('The server asks for an API key.', 'key');
      else toast('The server does not accept the API key.', 'Settings', () => openSettings('', 'key'));
    } else if (error.status === 503) {
      show('loading ...', 'The model is being loaded.');
      again(1);
    } else {
      show('not reachable', error.message);
      again(5);
    }
  }
}

// --- what the user does

for (const holder of document.querySelectorAll('[data-icon]')) holder.prepend(icon(holder.dataset.icon));
for (const sample of SAMPLES) {
  const made = element('button', {type: 'button'}, sample);
  made.addEventListener('click', () => send(sample));
  $('samples').append(made);
}
const prompt = $('prompt');
prompt.addEventListener('input', () => {
  fit(prompt);
  showControls();
});
prompt.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  } else if (event.key === 'ArrowUp' && !prompt.value) {
    const last = current.messages.findLast((message) => message.role === 'user');
    if (last && !running) {
      event.preventDefault();
      editMessage(last);
    }
  }
});
$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  if (running || !prompt.value.trim()) return;
  send(prompt.value);
  prompt.value = '';
  fit(prompt);
  showControls();
});
$('think').addEventListener('click', () => {
  store.settings.thinking = !thinking();
  store.saveSettings();
  showThinking();
  prompt.focus();
});
$('stop').addEventListener('click', () => {
  stop();
  prompt.focus();
});
$('down').addEventListener('click', () => {
  atEnd = true;
  follow();
});
$('scroll').addEventListener(
  'scroll',
  () => {
    const view = $('scroll');
    atEnd = view.scrollHeight - view.scrollTop - view.clientHeight < 40;
    $('down').hidden = atEnd;
  },
  {passive: true},
);
document.addEventListener('keydown', (event) => {
  const typing = event.target.matches('input, textarea, select'),
    command = event.ctrlKey || event.metaKey;
  if (event.key === 'Escape' && !$('settings').open) {
    if ($('side').classList.contains('shown')) showSide(false);
    else stop();
  } else if (command && event.shiftKey && event.key.toLowerCase() === 'o') {
    event.preventDefault();
    newChat();
  } else if (command && event.key === ',') {
    event.preventDefault();
    openSettings();
  } else if (event.key === '/' && !typing && !command && !$('settings').open) {
    event.preventDefault();
    prompt.focus();
  }
});
addEventListener('pagehide', () => {
  if (running) store.save(running.chat);
});

openChat(store.chats[0] ?? emptyChat());
showModel();
