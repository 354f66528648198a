// Scenarios with mqtt.js. The argument is JSON (scenario, port, version, qos, user, password, and for `checks`
// locked: the port of an instance with the user alice); the report is JSON on stdout; anything unexpected ends
// with exit code 1.
import mqtt from 'mqtt';
import { checks } from './mqttjs_checks.mjs';

const { scenario, port, locked, version = 4, qos = 0, user, password } = JSON.parse(process.argv[2]);
const limit = setTimeout(() => { console.error('timeout'); process.exit(1); }, 40_000);

const connect = (clientId, options = {}) =>
  mqtt.connectAsync({ host: '127.0.0.1', port, protocolVersion: version, clientId, username: user, password,
    reconnectPeriod: 0, ...options });

// The next `count` messages of a client.
const collect = (client, count) => new Promise((resolve) => {
  const got = [];
  client.on('message', (topic, payload, packet) => {
    got.push({ topic, size: payload.length, text: payload.subarray(0, 40).toString(), qos: packet.qos, retain: packet.retain });
    if (got.length === count) resolve(got);
  });
});

// Ends the connection without a DISCONNECT.
const vanish = (client) => new Promise((resolve) => { client.once('close', resolve); client.stream.destroy(); });

const scenarios = {
  async roundtrip() {
    const client = await connect('js-roundtrip');
    const granted = await client.subscribeAsync('js/+/t', { qos });
    const got = collect(client, 61);
    for (let i = 0; i < 60; i++) client.publish(`js/${i}/t`, `m${i}`, { qos });
    await client.publishAsync('js/big/t', Buffer.alloc(300_000, 'x'), { qos });
    const messages = await got;
    await client.endAsync();
    return { granted: granted[0].qos, messages };
  },

  async retained() {
    const client = await connect('js-retained');
    await client.publishAsync('js/kept', 'kept', { qos, retain: true });
    const got = collect(client, 1);
    await client.subscribeAsync('js/kept', { qos });
    const [message] = await got;
    await client.publishAsync('js/kept', '', { qos, retain: true });
    await client.endAsync();
    return message;
  },

  async will() {
    const watcher = await connect('js-watcher');
    await watcher.subscribeAsync('js/will', { qos });
    const got = collect(watcher, 1);
    await vanish(await connect('js-dying', { will: { topic: 'js/will', payload: 'gone', qos, retain: false } }));
    const [message] = await got;
    await watcher.endAsync();
    return message;
  },

  async session() {
    const options = { clean: false, properties: version === 5 ? { sessionExpiryInterval: 600 } : undefined };
    const first = await connect('js-session', options);
    await first.subscribeAsync('js/session', { qos: 1 });
    await vanish(first);
    const publisher = await connect('js-publisher');
    await publisher.publishAsync('js/session', 'while away', { qos: 1 });
    await publisher.endAsync();
    const again = mqtt.connect({ host: '127.0.0.1', port, protocolVersion: version, clientId: 'js-session',
      username: user, password, reconnectPeriod: 0, ...options });
    const [[message], present] = await Promise.all([collect(again, 1),
      new Promise((resolve) => again.on('connect', (connack) => resolve(connack.sessionPresent)))]);
    await again.endAsync();
    await (await connect('js-session', { clean: true })).endAsync();
    return { present, message };
  },

  async keep_alive() {
    const client = await connect('js-alive', { keepalive: 1 });
    let closed = false;
    client.on('close', () => { closed = true; });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const stayed = !closed;
    await client.endAsync();
    return { stayed };
  },

  // All of mqttjs_checks.mjs side by side: by name, null or what was wrong.
  async checks() {
    const report = {};
    const late = () => new Promise((_, reject) => setTimeout(reject, 20_000, 'no end within 20 s'));
    await Promise.all(Object.entries(checks({ port, locked, version })).map(async ([name, check]) => {
      try { await Promise.race([check(), late()]); report[name] = null; } catch (error) { report[name] = String(error.stack ?? error); }
    }));
    return report;
  },
};

scenarios[scenario]().then((report) => {
  // Ends the connections of failed checks, too.
  process.stdout.write(JSON.stringify(report), () => process.exit(0));
  clearTimeout(limit);
}).catch((error) => { console.error(error); process.exit(1); });
