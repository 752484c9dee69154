// Protocol upgrades with arbitrary headers, which a browser's WebSocket cannot send: DERP, and websockets (RFC 6455) as
// programs open them.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';

const ACCEPT = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'; // RFC 6455 §1.3
const SILENCE = 20_000; // milliseconds: longer than any response here takes
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Reads a connection by lengths; `end()` closes it. */
class Stream {
  constructor(socket, head) {
    this.socket = socket;
    this.kept = head;
    this.chunks = socket[Symbol.asyncIterator]();
    socket.setTimeout(SILENCE, () => socket.destroy(new Error('silence')));
  }

  /** The next `length` bytes. */
  async read(length) {
    while (this.kept.length < length) {
      const { value, done } = await this.chunks.next();
      if (done) throw new Error('the connection has ended');
      this.kept = Buffer.concat([this.kept, value]);
    }
    const bytes = this.kept.subarray(0, length);
    this.kept = this.kept.subarray(length);
    return bytes;
  }

  write(bytes) { this.socket.write(bytes); }

  end() { this.socket.destroy(); }
}

/** Requests an upgrade to `protocol`; returns `status`, `headers`, and either `stream` (101) or `body` (any other status). */
export function upgrade(url, protocol, headers = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      agent: false, timeout: SILENCE, headers: { Connection: 'Upgrade', Upgrade: protocol, ...headers },
    });
    asked.once('upgrade', (answer, socket, head) => {
      resolve({ status: answer.statusCode, headers: answer.headers, stream: new Stream(socket, head) });
    });
    asked.once('response', async (answer) => {
      let body = '';
      try {
        for await (const chunk of answer) body += chunk;
        resolve({ status: answer.statusCode, headers: answer.headers, body });
      } catch (error) {
        reject(error);
      }
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer')));
    asked.once('error', reject);
    asked.end();
  });
}

/** Opens a websocket; returns the result of `upgrade`, and with a 101 also a `socket`. */
export async function websocket(url, headers = {}) {
  const key = randomBytes(16).toString('base64');
  const answer = await upgrade(url, 'websocket', {
    'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13', ...headers,
  });
  if (answer.status !== 101) return answer;
  const accept = createHash('sha1').update(key + ACCEPT).digest('base64');
  assert.equal(answer.headers['sec-websocket-accept'], accept);
  return { ...answer, socket: new Socket(answer.stream) };
}

/** The client's end of a websocket, for short messages. */
class Socket {
  constructor(stream) { this.stream = stream; }

  /** Sends a text of at most 125 bytes. */
  send(text) { this.frame(TEXT, Buffer.from(text)); }

  frame(opcode, payload) {
    assert.ok(payload.length < 126);
    const mask = randomBytes(4);
    const masked = payload.map((byte, at) => byte ^ mask[at % 4]);
    this.stream.write(Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]));
  }

  /** The next message as bytes, or `{ closed: code }`. Pings are answered on the way. */
  async receive() {
    for (;;) {
      const [first, second] = await this.stream.read(2);
      const short = second & 0x7f;
      assert.ok(short < 127, 'a message of more than 64 KiB');
      const length = short === 126 ? (await this.stream.read(2)).readUInt16BE() : short;
      const payload = await this.stream.read(length);
      const opcode = first & 0x0f;
      if (opcode === CLOSE) return { closed: payload.length < 2 ? undefined : payload.readUInt16BE() };
      if (opcode === PING) this.frame(PONG, payload);
      else if (opcode !== PONG) return payload;
    }
  }

  /** Waits until the websocket is closed, and returns the code. Messages before that are dropped. */
  async closed() {
    for (;;) {
      const message = await this.receive();
      if (!Buffer.isBuffer(message)) return message.closed;
    }
  }

  end() { this.stream.end(); }
}
