// Light colours for code: comments, strings, numbers, words of the language, names that are called.
const LANGUAGES = (() => {
  const words = (text) => new Set(text.split(' '));
  const c = words(
    'alignas auto bool break case catch char class const constexpr continue default delete do double else enum ' +
      'explicit extern false float for friend goto if inline int long namespace new nullptr operator private protected public ' +
      'return short signed sizeof static struct switch template this throw true try typedef typename union unsigned using ' +
      'virtual void volatile while include define ifdef ifndef endif pragma',
  );
  const js = words(
    'async await break case catch class const continue debugger default delete do else export extends false ' +
      'finally for from function if import in instanceof interface let new null of return static super switch this throw true ' +
      'try type typeof undefined var void while yield',
  );
  const py = words(
    'and as assert async await break class continue def del elif else except False finally for from global if ' +
      'import in is lambda match None nonlocal not or pass raise return self True try while with yield',
  );
  const sh = words(
    'if then else elif fi for while until do done case esac in function return local export set echo cd sudo exit',
  );
  const sql = words(
    'select from where join left right inner outer on group by order having limit insert into values update set ' +
      'delete create table index primary key not null and or as distinct union all case when then else end',
  );
  const rust = words(
    'as async await break const continue crate else enum extern false fn for if impl in let loop match mod move ' +
      'mut pub ref return self Self static struct super trait true type unsafe use where while',
  );
  const go = words(
    'break case chan const continue default defer else fallthrough for func go goto if import interface map ' +
      'package range return select struct switch type var nil true false',
  );
  const java = words(
    'abstract boolean break byte case catch char class const continue default do double else enum extends final ' +
      'finally float for if implements import instanceof int interface long native new null package private protected public ' +
      'record return short static super switch this throw throws true false try var void while fun val when object string ' +
      'namespace using foreach let func guard nil',
  );
  const none = new Set();
  const slashes = {line: '//', block: true},
    hash = {line: '#', block: false};
  const all = {};
  const add = (names, style, language) =>
    names.split(' ').forEach((name) => {
      all[name] = {words: language, ...style};
    });
  add('c cpp c++ cc h hpp cuda', slashes, c);
  add('js javascript jsx ts typescript tsx mjs', slashes, js);
  add('py python python3', hash, py);
  add('sh bash shell zsh console', hash, sh);
  add('sql', {line: '--', block: true, fold: true}, sql);
  add('rust rs', slashes, rust);
  add('go golang', slashes, go);
  add('java kotlin csharp cs swift scala dart', slashes, java);
  add('json', {line: '', block: false}, words('true false null'));
  add(
    'yaml yml toml ini ruby rb r makefile dockerfile cmake perl',
    hash,
    words('true false null yes no end def do if else elsif'),
  );
  add('css scss', {line: '', block: true}, none);
  return all;
})();

function highlight(code, name, into) {
  const language = LANGUAGES[name.toLowerCase()];
  if (!language || code.length > 50000) {
    into.append(code);
    return;
  }
  let plain = '',
    i = 0;
  const put = (end, kind) => {
    if (plain) into.append(plain);
    plain = '';
    into.append(element('span', {className: kind}, code.slice(i, end)));
    i = end;
  };
  const word = /[A-Za-z_$][\w$]*/y,
    number = /(?:0[xXbB][\da-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\w*/y;
  const match = (pattern) => {
    pattern.lastIndex = i;
    return pattern.exec(code);
  };
  while (i < code.length) {
    const c = code[i];
    let found;
    if (language.line && code.startsWith(language.line, i) && !(c === '#' && /[\w$&]/.test(code[i - 1] ?? ''))) {
      const end = code.indexOf('\n', i);
      put(end < 0 ? code.length : end, 'com');
    } else if (language.block && code.startsWith('/*', i)) {
      const end = code.indexOf('*/', i + 2);
      put(end < 0 ? code.length : end + 2, 'com');
    } else if (c === '"' || c === "'" || c === '`') {
      const triple = code.startsWith(c.repeat(3), i) ? c.repeat(3) : c;
      let end = i + triple.length;
      while (
        end < code.length &&
        !code.startsWith(triple, end) &&
        (triple.length > 1 || c === '`' || code[end] !== '\n')
      ) {
        end += code[end] === '\\' ? 2 : 1;
      }
      put(Math.min(code.length, end + (code.startsWith(triple, end) ? triple.length : 0)), 'str');
    } else if ((found = match(word))) {
      const text = found[0];
      if (language.words.has(language.fold ? text.toLowerCase() : text)) put(i + text.length, 'kw');
      else if (code[i + text.length] === '(') put(i + text.length, 'fn');
      else {
        plain += text;
        i += text.length;
      }
    } else if ((found = match(number))) {
      put(i + found[0].length, 'num');
    } else {
      plain += c;
      ++i;
    }
  }
  if (plain) into.append(plain);
}
