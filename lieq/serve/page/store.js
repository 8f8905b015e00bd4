// What stays in the browser: conversations and settings.
const store = (() => {
  const CHATS = 'lieq.conversations',
    SETTINGS = 'lieq.settings';
  const read = (key, fallback) => {
    try {
      return JSON.parse(localStorage.getItem(key)) ?? fallback;
    } catch {
      return fallback;
    }
  };
  const write = (key, value) => {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  };
  const text = (value) => (typeof value === 'string' ? value : '');
  // Whatever lies in the storage, the page only sees conversations of the form it writes.
  const sound = (chat) =>
    chat &&
    typeof chat === 'object' &&
    Array.isArray(chat.messages) && {
      id: text(chat.id) || newId(),
      title: text(chat.title),
      named: Boolean(chat.named),
      updated: Number(chat.updated) || 0,
      messages: chat.messages
        .filter((one) => one && (one.role === 'user' || one.role === 'assistant'))
        .map((one) => ({
          role: one.role,
          content: text(one.content),
          reasoning: text(one.reasoning),
          stats: text(one.stats),
          error: text(one.error),
        })),
    };
  const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

  const chats = [read(CHATS, [])].flat().map(sound).filter(Boolean);
  const saved = read(SETTINGS, {});
  const settings = saved && typeof saved === 'object' && !Array.isArray(saved) ? saved : {};
  // Another tab may have changed or added conversations: only those that were changed here are put over them.
  const merge = (changed) => {
    for (const other of [read(CHATS, [])].flat().map(sound).filter(Boolean)) {
      const own = chats.findIndex((chat) => chat.id === other.id);
      if (own < 0) {
        if (!gone.has(other.id)) chats.push(other);
      } else if (other.id !== changed?.id && other.updated > chats[own].updated) Object.assign(chats[own], other);
    }
    chats.sort((a, b) => b.updated - a.updated);
  };
  const gone = new Set();
  return {
    chats,
    settings,
    newId,
    // False when the browser has no room or does not allow it.
    save(changed) {
      if (changed) changed.updated = Math.max(Date.now(), changed.updated + 1);
      merge(changed);
      return write(
        CHATS,
        chats.filter((chat) => chat.messages.length),
      );
    },
    remove(chat) {
      gone.add(chat.id);
      chats.splice(chats.indexOf(chat), 1);
      write(
        CHATS,
        chats.filter((one) => one.messages.length),
      );
    },
    restore(chat) {
      gone.delete(chat.id);
      chats.push(chat);
      this.save();
    },
    saveSettings: () => write(SETTINGS, settings),
  };
})();
