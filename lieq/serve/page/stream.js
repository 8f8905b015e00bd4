// The server's routes.
class ServerError extends Error {
  constructor(message, status = 0, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

function requestHeaders() {
  const headers = {'Content-Type': 'application/json'};
  if (store.settings.key) headers.Authorization = `Bearer ${store.settings.key}`;
  return headers;
}

async function errorOf(response) {
  let message = '';
  try {
    const {error} = await response.json();
    message = typeof error === 'string' ? error : error?.message;
  } catch {
    /* no JSON: the status says it all */
  }
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  return new ServerError(message || `The server answered with status ${response.status}.`, response.status, retryAfter);
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServerError('The server cannot be reached. Is it still running?');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

// {name, thinks}: the model's name, and whether it thinks unless it is told to or not to; null where it cannot be told.
async function servedModel() {
  const ask = async (path) => (await request(path, {headers: requestHeaders()})).json();
  const name = String((await ask('v1/models'))?.data?.[0]?.id ?? '');
  const thinks = (await ask('props'))?.default_generation_settings?.params?.chat_template_kwargs?.enable_thinking;
  return {name, thinks: typeof thinks === 'boolean' ? thinks : null};
}

// The `data:` lines of an event stream, as they come.
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  for (;;) {
    const {value, done} = await reader.read();
    held += done ? '\n' : value;
    const lines = held.split(/\r?\n/);
    held = lines.pop();
    for (const line of lines) {
      if (line.startsWith('data:')) yield line.slice(5).trim();
    }
    if (done) return;
  }
}

// Tokens per second after the first; 0 where the time is too short to tell.
const rateOf = (tokens, milliseconds) => (tokens > 1 && milliseconds > 50 ? ((tokens - 1) * 1000) / milliseconds : 0);

// Asks for the answer to `messages`; told({content, reasoning}) for each piece. Resolves to {finish, tokens, perSecond,
// wait}: why it ended, tokens of the answer, their rate after the first one, seconds until that.
async function complete(messages, settings, signal, told) {
  const body = {messages, stream: true, stream_options: {include_usage: true}};
  for (const name of ['temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'seed']) {
    if (settings[name] !== undefined && settings[name] !== '') body[name] = Number(settings[name]);
  }
  if (typeof settings.thinking === 'boolean') body.chat_template_kwargs = {enable_thinking: settings.thinking};
  const began = performance.now();
  const response = await request('v1/chat/completions', {
    method: 'POST',
    headers: requestHeaders(),
    body: JSON.stringify(body),
    signal,
  });
  let finish = '',
    pieces = 0,
    usage = null,
    timings = null,
    first = 0,
    last = 0,
    whole = false;
  try {
    for await (const data of eventsOf(response.body)) {
      if (data === '[DONE]') {
        whole = true;
        break;
      }
      let chunk;
      try {
        chunk = JSON.parse(data);
      } catch {
        throw new ServerError('The server sent something that is no JSON.');
      }
      if (chunk.error) throw new ServerError(chunk.error.message ?? String(chunk.error), Number(chunk.error.code) || 0);
      usage = chunk.usage ?? usage;
      timings = chunk.timings ?? timings;
      const choice = chunk.choices?.[0];
      if (!choice) continue;
      finish = choice.finish_reason ?? finish;
      const content = choice.delta?.content ?? '',
        reasoning = choice.delta?.reasoning_content ?? '';
      if (!content && !reasoning) continue;
      last = performance.now();
      if (!first) first = last;
      ++pieces;
      told({content, reasoning, rate: rateOf(pieces, last - first)});
    }
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof ServerError) throw error;
    throw new ServerError('The connection broke off in the middle of the answer.');
  }
  if (!whole && !finish) throw new ServerError('The connection broke off in the middle of the answer.');
  const tokens = usage?.completion_tokens ?? pieces;
  return {
    finish,
    tokens,
    perSecond: timings?.predicted_per_second ?? rateOf(tokens, last - first),
    wait: first ? (first - began) / 1000 : 0,
  };
}
