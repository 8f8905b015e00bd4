// The list of conversations.
function showSide(shown) {
  $('side').classList.toggle('shown', shown);
  $('shade').hidden = !shown;
  if (shown) $('side-close').focus();
}

function showChats() {
  $('chats').replaceChildren(
    ...store.chats
      .filter((chat) => chat.messages.length)
      .map((chat) => {
        const open = element(
          'button',
          {type: 'button', className: 'open', title: chat.title},
          chat.title || 'Untitled',
        );
        open.addEventListener('click', () => {
          openChat(chat);
          showSide(false);
        });
        open.addEventListener('dblclick', () => rename(chat, row));
        const row = element(
          'li',
          {className: chat === current ? 'now' : ''},
          open,
          iconButton('edit', 'Rename', () => rename(chat, row)),
          iconButton('bin', 'Delete', () => removeChat(chat)),
        );
        if (chat === current) open.setAttribute('aria-current', 'true');
        return row;
      }),
  );
}

function rename(chat, row) {
  const field = element('input', {value: chat.title, maxLength: 120, 'aria-label': 'Title of the conversation'});
  let ended = false;
  const end = (keep) => {
    if (ended) return;
    ended = true;
    if (keep && field.value.trim()) {
      chat.title = field.value.trim();
      chat.named = true;
      store.save(chat);
    }
    showChats();
  };
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') end(true);
    if (event.key === 'Escape') {
      event.stopPropagation();
      end(false);
    }
  });
  field.addEventListener('blur', () => end(true));
  row.replaceChildren(field);
  field.focus();
  field.select();
}

function removeChat(chat) {
  if (running?.chat === chat) running.abort.abort();
  store.remove(chat);
  if (chat === current) newChat();
  else showChats();
  toast('Conversation deleted', 'Undo', () => {
    store.restore(chat);
    openChat(chat);
  });
}

$('side-open').addEventListener('click', () => showSide(true));
$('side-close').addEventListener('click', () => {
  showSide(false);
  $('side-open').focus();
});
$('shade').addEventListener('click', () => showSide(false));
$('new').addEventListener('click', () => {
  newChat();
  showSide(false);
});
