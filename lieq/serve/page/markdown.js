// Markdown to elements. Text only ever becomes text nodes, so nothing a model writes can become markup.

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes('-') || key === 'role') made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

const MOST_NESTING = 12;
const LIST_ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const FENCE = /^( {0,3})(`{3,}|~{3,})[ \t]*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

// Cuts lines into blocks {kind, source, ...}; `source` tells a block that has not changed since the last time.
function blocks(lines) {
  const out = [];
  let i = 0;
  const push = (kind, from, more) => out.push({kind, source: kind + lines.slice(from, i).join('\n'), ...more});
  const begins = (line, next) =>
    FENCE.test(line) ||
    HEADING.test(line) ||
    RULE.test(line) ||
    /^ {0,3}>/.test(line) ||
    LIST_ITEM.test(line) ||
    (line.includes('|') && next !== undefined && next.includes('-') && TABLE_RULE.test(next));
  while (i < lines.length) {
    const line = lines[i],
      from = i;
    let found;
    if (!line.trim()) {
      ++i;
    } else if ((found = FENCE.exec(line))) {
      const [, indent, mark, info] = found,
        body = [];
      const closes = (text) => {
        const t = text.trim();
        return t.length >= mark.length && t === mark[0].repeat(t.length);
      };
      for (++i; i < lines.length && !closes(lines[i]); ++i)
        body.push(lines[i].replace(new RegExp(`^ {0,${indent.length}}`), ''));
      ++i;
      push('code', from, {
        text: body.join('\n'),
        language: info
          .trim()
          .split(/\s+/)[0]
          .replace(/[^\w+#.-]/g, ''),
      });
    } else if ((found = HEADING.exec(line))) {
      ++i;
      push('heading', from, {level: found[1].length, text: found[2].replace(/[ \t]+#+[ \t]*$/, '')});
    } else if (RULE.test(line)) {
      ++i;
      push('rule', from, {});
    } else if (/^ {0,3}>/.test(line)) {
      const body = [];
      while (i < lines.length && lines[i].trim() && (/^ {0,3}>/.test(lines[i]) || !begins(lines[i], lines[i + 1]))) {
        body.push(lines[i++].replace(/^ {0,3}> ?/, ''));
      }
      push('quote', from, {lines: body});
    } else if (
      line.includes('|') &&
      i + 1 < lines.length &&
      lines[i + 1].includes('-') &&
      TABLE_RULE.test(lines[i + 1])
    ) {
      const rows = [line];
      for (i += 2; i < lines.length && lines[i].includes('|') && lines[i].trim(); ++i) rows.push(lines[i]);
      push('table', from, {rows: rows.map(cells), sides: cells(lines[from + 1]).map(side)});
    } else if ((found = LIST_ITEM.exec(line))) {
      i = list(lines, i, found, out);
    } else {
      const body = [];
      do body.push(lines[i++].trim());
      while (i < lines.length && lines[i].trim() && !begins(lines[i], lines[i + 1]));
      push('text', from, {text: body.join('\n')});
    }
  }
  return out;
}

function list(lines, at, first, out) {
  const ordered = /\d/.test(first[2]),
    from = at,
    items = [];
  const same = (found) => found && /\d/.test(found[2]) === ordered && (ordered || found[2] === first[2]);
  let loose = false;
  while (at < lines.length) {
    const found = LIST_ITEM.exec(lines[at]);
    if (!same(found) || RULE.test(lines[at])) break;
    const width = found[1].length + found[2].length + Math.min(Math.max(found[3].length, 1), 4);
    const body = [lines[at++].slice(width)];
    let blank = false;
    for (; at < lines.length; ++at) {
      const line = lines[at].replace(/^\t+/, (tabs) => '    '.repeat(tabs.length)),
        indent = line.search(/\S/);
      if (indent < 0) {
        blank = true;
        body.push('');
        continue;
      }
      // Models often indent by two where the item's own text begins further right.
      if (indent >= Math.min(width, 2) && (indent >= width || LIST_ITEM.test(line.trimStart()) || !blank)) {
        loose = loose || (blank && !LIST_ITEM.test(line.trimStart()));
        body.push(line.slice(Math.min(indent, width)));
      } else if (
        !blank &&
        !LIST_ITEM.test(line) &&
        !FENCE.test(line) &&
        !HEADING.test(line) &&
        !/^ {0,3}>/.test(line)
      ) {
        body.push(line);
      } else {
        break;
      }
      blank = false;
    }
    while (body.length && !body.at(-1).trim()) body.pop();
    items.push(body);
  }
  out.push({
    kind: 'list',
    source: 'list' + lines.slice(from, at).join('\n'),
    ordered,
    start: parseInt(first[2], 10),
    items,
    loose,
  });
  return at;
}

function cells(line) {
  const out = [''];
  const text = line
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, (end, at, all) => (all[at - 1] === '\\' ? end : ''));
  let code = false;
  for (let i = 0; i < text.length; ++i) {
    if (text[i] === '\\' && text[i + 1] === '|') {
      out[out.length - 1] += '|';
      ++i;
      continue;
    }
    if (text[i] === '`') code = !code;
    if (text[i] === '|' && !code) out.push('');
    else out[out.length - 1] += text[i];
  }
  return out.map((cell) => cell.trim());
}

function side(rule) {
  return rule.endsWith(':') ? (rule.startsWith(':') ? 'center' : 'right') : '';
}

function blockElement(block, depth) {
  if (depth > MOST_NESTING) return element('p', {}, block.source);
  switch (block.kind) {
    case 'heading':
      return element(`h${block.level}`, {}, ...inline(block.text));
    case 'rule':
      return element('hr');
    case 'quote':
      return element('blockquote', {}, ...blocks(block.lines).map((inner) => blockElement(inner, depth + 1)));
    case 'code':
      return codeElement(block);
    case 'table':
      return tableElement(block);
    case 'list':
      return listElement(block, depth);
    default:
      return element('p', {}, ...inline(block.text));
  }
}

function listElement(block, depth) {
  const made = element(block.ordered ? 'ol' : 'ul');
  if (block.ordered && block.start !== 1) made.start = block.start;
  for (const lines of block.items) {
    const item = element('li'),
      task = /^\[([ xX])\][ \t]+/.exec(lines[0] ?? '');
    if (task) {
      lines[0] = lines[0].slice(task[0].length);
      item.className = 'task';
      item.append(element('input', {type: 'checkbox', disabled: true, checked: task[1] !== ' '}), ' ');
    }
    for (const inner of blocks(lines)) {
      if (inner.kind === 'text' && !block.loose) item.append(...inline(inner.text));
      else item.append(blockElement(inner, depth + 1));
    }
    made.append(item);
  }
  return made;
}

function tableElement(block) {
  const row = (texts, name) =>
    element(
      'tr',
      {},
      ...block.rows[0].map((_, column) =>
        element(name, {className: block.sides[column] ?? ''}, ...inline(texts[column] ?? '')),
      ),
    );
  const head = element('thead', {}, row(block.rows[0], 'th'));
  const body = element('tbody', {}, ...block.rows.slice(1).map((texts) => row(texts, 'td')));
  return element(
    'div',
    {className: 'table', tabIndex: 0, role: 'region', 'aria-label': 'Table'},
    element('table', {}, head, body),
  );
}

function codeElement(block) {
  const code = element('code');
  highlight(block.text, block.language, code);
  const copy = element('button', {type: 'button', className: 'copy'}, icon('copy'), element('span', {}, 'Copy'));
  copy.addEventListener('click', () => copyText(block.text, copy.lastChild));
  const head = element('div', {className: 'code-head'}, element('span', {}, block.language || 'text'), copy);
  return element('div', {className: 'code'}, head, element('pre', {tabIndex: 0}, code));
}

const SAFE_ADDRESS = /^(?:https?:\/\/|mailto:)[^\s<>"]+$/i;

function link(address, children) {
  if (!SAFE_ADDRESS.test(address)) return children;
  return [element('a', {href: address, target: '_blank', rel: 'noopener noreferrer'}, ...children)];
}

// Text with its code spans, emphasis and links. A mark whose other half is missing is looked for once, so that the work
// stays linear in what has no closing mark.
function inline(text, depth = 0) {
  const out = [],
    missing = new Set();
  let plain = '',
    i = 0;
  const flush = () => {
    const lines = plain.split('\n');
    lines.forEach((line, n) => {
      if (n > 0) out.push(element('br'));
      if (line) out.push(document.createTextNode(line));
    });
    plain = '';
  };
  const put = (nodes, end) => {
    flush();
    out.push(...nodes);
    i = end;
  };
  const find = (mark, from) => {
    if (missing.has(mark)) return -1;
    const at = text.indexOf(mark, from);
    if (at < 0) missing.add(mark);
    return at;
  };
  while (i < text.length) {
    const c = text[i];
    if (c === '\\' && /[!-/:-@[-`{-~]/.test(text[i + 1] ?? '')) {
      plain += text[i + 1];
      i += 2;
      continue;
    }
    if (c === '`') {
      const mark = /^`+/.exec(text.slice(i, i + 40))[0];
      let end = find(mark, i + mark.length);
      while (end >= 0 && text[end + mark.length] === '`') {
        let after = end;
        while (text[after] === '`') ++after;
        end = find(mark, after);
      }
      if (end >= 0) {
        const inner = text.slice(i + mark.length, end).replace(/\n/g, ' ');
        put(
          [element('code', {}, /^ .* $/.test(inner) && inner.trim() ? inner.slice(1, -1) : inner)],
          end + mark.length,
        );
      } else {
        plain += mark;
        i += mark.length;
      }
      continue;
    }
    if ((c === '*' || c === '_' || c === '~') && depth < MOST_NESTING) {
      const end = emphasisEnd(text, i, find);
      if (end) {
        const name = {'*': 'em', _: 'em', '**': 'strong', __: 'strong', '~~': 'del'}[end.mark];
        put(
          [element(name, {}, ...inline(text.slice(i + end.mark.length, end.at), depth + 1))],
          end.at + end.mark.length,
        );
        continue;
      }
    }
    if (c === '[' || (c === '!' && text[i + 1] === '[')) {
      const open = c === '!' ? i + 1 : i,
        close = find('](', open);
      const end = close < 0 ? -1 : text.indexOf(')', close);
      const label = close < 0 ? '' : text.slice(open + 1, close);
      if (end >= 0 && !label.includes('[') && label.length < 500 && depth < MOST_NESTING) {
        let address = text.slice(close + 2, end),
          stop = end;
        // One pair of parentheses inside, as in Wikipedia's addresses.
        if (address.includes('(') && text[end + 1] === ')') {
          address += ')';
          stop = end + 1;
        }
        address = address
          .trim()
          .replace(/\s+["'(].*$/, '')
          .replace(/^<(.*)>$/, '$1');
        put(link(address, label ? inline(label, depth + 1) : [document.createTextNode(address)]), stop + 1);
        continue;
      }
    }
    if ((c === 'h' || c === '<') && /^<?https?:\/\//.test(text.slice(i, i + 10)) && !/\w/.test(text[i - 1] ?? '')) {
      const from = c === '<' ? i + 1 : i;
      const address = /^[^\s<>"`|*]+/.exec(text.slice(from, from + 2000))[0].replace(/[.,;:!?'"\])]+$/, '');
      const end = from + address.length;
      put(link(address, [document.createTextNode(address)]), c === '<' && text[end] === '>' ? end + 1 : end);
      continue;
    }
    plain += c;
    ++i;
  }
  flush();
  return out;
}

// The mark that opens at `i` and the place of the one that closes it.
function emphasisEnd(text, i, find) {
  const c = text[i],
    mark = text[i + 1] === c ? c + c : c;
  const inner = text[i + mark.length] ?? ' ';
  if (mark === '~' || /\s/.test(inner)) return null;
  if (c === '_' && /\w/.test(text[i - 1] ?? '')) return null;
  for (let at = find(mark, i + mark.length), tries = 0; at >= 0 && tries < 50; at = find(mark, at + 1), ++tries) {
    if (/\s/.test(text[at - 1]) || text[at - 1] === '\\' || at === i + mark.length) continue;
    const after = text[at + mark.length] ?? ' ';
    if (c === '_' && /\w/.test(after)) continue;
    if (mark.length === 1 && (after === c || text[at - 1] === c)) {
      ++at;
      continue;
    }
    if (mark.length === 2 && after === c) return {mark, at: at + 1};
    return {mark, at};
  }
  return null;
}

// Shows `text` in `into`. What was shown there before stays as it is where its source has not changed, so that a text
// that grows costs its last block, and a selection in the others survives.
function showMarkdown(into, text) {
  const wanted = blocks(text.replace(/\r\n?/g, '\n').split('\n'));
  const shown = into.markdown ?? [];
  let same = 0;
  while (same < wanted.length && same < shown.length && wanted[same].source === shown[same]) ++same;
  while (into.children.length > same) into.lastChild.remove();
  for (const block of wanted.slice(same)) into.append(blockElement(block, 0));
  into.markdown = wanted.map((block) => block.source);
}
