// What users of mqtt.js rely on, as checks that run side by side on one instance: each has topics and client ids
// of its own.
import assert from 'node:assert/strict';
import mqtt from 'mqtt';

const LIMIT = 1 << 20;  // the default packet size

// A client, the messages it gets, in order, and what the broker said at its end.
class Peer {
  constructor(client) {
    this.client = client;
    this.messages = [];
    this.disconnect = null;
    client.on('message', (topic, payload, packet) => {
      const { qos, retain, properties = {} } = packet;
      this.messages.push({ topic, payload, text: payload.toString(), qos, retain, properties });
      client.emit('kept');
    });
    client.on('disconnect', (packet) => { this.disconnect = packet.reasonCode; });
    client.on('error', () => {});
  }

  async until(condition) {
    while (!condition()) await new Promise((resolve) => this.client.once('kept', resolve));
  }
  async get() {
    await this.until(() => this.messages.length > 0);
    return this.messages.shift();
  }
  async take(count) {
    await this.until(() => this.messages.length >= count);
    return this.messages.splice(0, count);
  }
  // Everything that came until now: a message to itself marks the end.
  async fence() {
    const topic = `fence/${this.client.options.clientId}`;
    await this.client.subscribeAsync(topic, { qos: 1 });
    await this.client.publishAsync(topic, '', { qos: 1 });
    await this.until(() => this.messages.at(-1)?.topic === topic);
    await this.client.unsubscribeAsync(topic);
    return this.messages.splice(0).slice(0, -1);
  }
  async subscribe(filter, options = {}) {
    const [granted] = await this.client.subscribeAsync(filter, { qos: 1, ...options });
    return granted.qos;
  }
  publish(topic, payload, options = {}) {
    return this.client.publishAsync(topic, payload, { qos: 1, ...options });
  }
  end(options) { return this.client.endAsync(false, options); }
  // Without a DISCONNECT.
  vanish() {
    return new Promise((resolve) => { this.client.once('close', resolve); this.client.stream.destroy(); });
  }
  closed() {
    return new Promise((resolve) => { this.client.connected ? this.client.once('close', resolve) : resolve(); });
  }
}

export const checks = ({ port, locked, version }) => {
  let serial = 0;
  const options = (more) => ({ host: '127.0.0.1', port, protocolVersion: version, reconnectPeriod: 0,
    clientId: `js-${version}-${++serial}`, ...more });
  // Connects; messages that come right behind CONNACK are there, too.
  const peer = (more = {}) => new Promise((resolve, reject) => {
    const client = mqtt.connect(options(more));
    const made = new Peer(client);
    client.once('connect', (connack) => { made.connack = connack; resolve(made); });
    client.once('error', reject);
  });
  const kept = (clientId, expiry = 600) => ({ clientId, clean: false,
    properties: version === 5 ? { sessionExpiryInterval: expiry } : undefined });
  const forget = async (clientId) => (await peer({ clientId })).end();
  const texts = (messages) => messages.map((m) => m.text);

  const both = {
    async order() {
      const [from, to] = await Promise.all([peer(), peer()]);
      for (const qos of [0, 1, 2]) {
        assert.equal(await to.subscribe(`order/${qos}`, { qos }), qos);
        // At once no more than the broker's receive maximum: mqtt.js does not look at it.
        const numbers = Array.from({ length: 100 }, (_, n) => String(n));
        await Promise.all(numbers.map((n) => from.publish(`order/${qos}`, n, { qos })));
        const got = await to.take(100);
        assert.deepEqual(texts(got), numbers);
        assert.ok(got.every((m) => m.qos === qos && !m.retain));
      }
      assert.deepEqual(await to.fence(), []);
    },

    async retained() {
      const c = await peer();
      for (const text of ['old', 'new']) await c.publish('kept/t', text, { retain: true });
      await c.subscribe('kept/+');
      const first = await c.get();
      assert.deepEqual([first.text, first.retain], ['new', true]);
      await c.publish('kept/t', '', { retain: true });
      assert.equal((await c.get()).retain, false);
      await c.client.unsubscribeAsync('kept/+');
      await c.subscribe('kept/+');
      assert.deepEqual(await c.fence(), []);
    },

    async will() {
      const watcher = await peer();
      await watcher.subscribe('will/#');
      await (await peer({ will: { topic: 'will/polite', payload: 'never', qos: 1 } })).end();
      await (await peer({ will: { topic: 'will/t', payload: 'gone', qos: 1 } })).vanish();
      assert.equal((await watcher.get()).text, 'gone');
      assert.deepEqual(await watcher.fence(), []);
    },

    async session() {
      const first = await peer(kept('js-kept'));
      assert.equal(first.connack.sessionPresent, false);
      await first.subscribe('away/#', { qos: 2 });
      await first.vanish();
      const from = await peer();
      const numbers = Array.from({ length: 40 }, (_, n) => String(n));
      for (const n of numbers) await from.publish('away/t', n, { qos: 1 + (n >= 20) });
      const again = await peer(kept('js-kept'));
      assert.equal(again.connack.sessionPresent, true);
      assert.deepEqual(texts(await again.take(40)), numbers);
      assert.deepEqual(await again.fence(), []);
      await again.end();
      await forget('js-kept');
    },

    async big() {
      const c = await peer();
      for (const qos of [0, 1, 2]) {
        await c.subscribe('big/t', { qos });
        const head = 4 + 2 + 5 + (qos ? 2 : 0) + (version === 5 ? 1 : 0);
        const payload = Buffer.alloc(LIMIT - head, Buffer.from(Array.from({ length: 251 }, (_, n) => n)));
        await c.publish('big/t', payload, { qos });
        assert.ok((await c.get()).payload.equals(payload));
      }
    },

    async topics() {
      const c = await peer();
      for (const topic of ['工厂/温度', 'дом/кухня', '😀/🌡️', 'a b', '/', '//', 'e\u0301', '\u00e9']) {
        await c.subscribe(topic);
        await c.publish(topic, topic);
        const got = await c.get();
        assert.deepEqual([got.topic, got.text], [topic, topic]);
      }
      const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`many/${n}/+`, { qos: n % 3 }]));
      const granted = await c.client.subscribeAsync(many);
      assert.deepEqual(granted.map((g) => g.qos), Object.values(many).map((o) => o.qos));
      for (let n = 0; n < 500; n += 100) {
        await c.publish(`many/${n}/t`, 'm', { qos: 2 });
        assert.equal((await c.get()).qos, n % 3);
      }
      assert.deepEqual(await c.fence(), []);
    },

    async takeOver() {
      const first = await peer(kept('js-same'));
      await first.subscribe('same/t');
      const second = await peer(kept('js-same'));
      await first.closed();
      if (version === 5) assert.equal(first.disconnect, 0x8e);
      assert.equal(second.connack.sessionPresent, true);
      await second.publish('same/t', 'mine');
      assert.equal((await second.get()).text, 'mine');
      assert.deepEqual(first.messages, []);
      await second.end();
      await forget('js-same');
    },

    async password() {
      const code = version === 5 ? 0x86 : 4;
      for (const login of [{ username: 'alice', password: 'wrong' }, { username: 'mallory', password: "alice's secret" }, {}]) {
        await assert.rejects(peer({ port: locked, ...login }), { code });
      }
      await (await peer({ port: locked, username: 'alice', password: "alice's secret" })).end();
    },
  };

  const v5 = {
    async properties() {
      const [from, to] = await Promise.all([peer(), peer()]);
      await to.subscribe('p/t', { qos: 2 });
      const properties = { payloadFormatIndicator: true, contentType: 'text/plain', responseTopic: 'r/t',
        correlationData: Buffer.from([0, 255, 1]), userProperties: { b: ['1', '2', '1'], a: 'x', ключ: 'значение' } };
      for (const qos of [0, 1, 2]) {
        await from.publish('p/t', 'm', { qos, properties });
        const got = (await to.get()).properties;
        assert.deepEqual({ ...got, userProperties: { ...got.userProperties } }, properties);
      }
    },

    async request() {
      const [asking, serving] = await Promise.all([peer(), peer()]);
      await Promise.all([serving.subscribe('service'), asking.subscribe('answers/1')]);
      for (let n = 0; n < 10; n++) {
        asking.publish('service', `question ${n}`,
          { properties: { responseTopic: 'answers/1', correlationData: Buffer.from([n]) } });
        const { properties, text } = await serving.get();
        await serving.publish(properties.responseTopic, text.toUpperCase(),
          { properties: { correlationData: properties.correlationData } });
        const answer = await asking.get();
        assert.deepEqual([answer.text, answer.properties.correlationData[0]], [`QUESTION ${n}`, n]);
      }
    },

    async messageExpiry() {
      const c = await peer();
      await c.publish('expiry/long', 'stays', { retain: true, properties: { messageExpiryInterval: 100 } });
      await c.publish('expiry/short', 'goes', { retain: true, properties: { messageExpiryInterval: 1 } });
      let left;
      do {
        await new Promise((resolve) => setTimeout(resolve, 50));
        await c.subscribe('expiry/+');
        left = await c.fence();
      } while (left.length === 2);
      assert.deepEqual(texts(left), ['stays']);
      const { messageExpiryInterval } = left[0].properties;
      assert.ok(messageExpiryInterval < 100 && messageExpiryInterval > 70);
      await c.publish('expiry/long', '', { retain: true });
    },

    // A will that waits for longer than the session is sent when that ends.
    async sessionExpiry() {
      const watcher = await peer();
      await watcher.subscribe('ended/will');
      const will = { topic: 'ended/will', payload: 'ended', qos: 1, properties: { willDelayInterval: 600 } };
      await (await peer({ ...kept('js-ends'), will })).vanish();
      const again = await peer({ ...kept('js-ends', 1), will });
      assert.equal(again.connack.sessionPresent, true);
      assert.deepEqual(await watcher.fence(), []);
      await again.vanish();
      assert.equal((await watcher.get()).text, 'ended');
      const last = await peer(kept('js-ends'));
      assert.equal(last.connack.sessionPresent, false);
      await last.end({ properties: { sessionExpiryInterval: 0 } });
      const none = await peer({ clientId: 'js-ends', clean: false });
      assert.equal(none.connack.sessionPresent, false);
      await none.end();
    },

    async subscriptionOptions() {
      const [c, other] = await Promise.all([peer(), peer()]);
      await c.subscribe('own/t', { nl: true });
      await c.publish('own/t', 'mine');
      await other.publish('own/t', 'theirs');
      assert.deepEqual(texts(await c.fence()), ['theirs']);
      await c.publish('rh/t', 'kept', { retain: true });
      for (const [rh, ...expected] of [[0, 1, 1], [1, 1, 0], [2, 0, 0]]) {
        for (const count of expected) {
          await c.subscribe('rh/t', { rh });
          assert.equal((await c.fence()).length, count);
        }
        await c.client.unsubscribeAsync('rh/t');
      }
      await c.subscribe('rh/t', { rap: true, rh: 2 });
      await other.subscribe('rh/t', { rh: 2 });
      await c.publish('rh/t', 'live', { retain: true });
      assert.deepEqual([(await c.get()).retain, (await other.get()).retain], [true, false]);
      await c.publish('rh/t', '', { retain: true });
    },

    async subscriptionIds() {
      const c = await peer();
      await c.subscribe('id/+', { properties: { subscriptionIdentifier: 1 } });
      await c.subscribe('id/t', { qos: 2, properties: { subscriptionIdentifier: 268_435_455 } });
      await c.subscribe('id/#', { qos: 0 });
      await c.publish('id/t', 'm', { qos: 2 });
      const got = await c.get();
      assert.deepEqual([got.qos, [...got.properties.subscriptionIdentifier].sort()], [2, [1, 268_435_455]]);
      assert.deepEqual(await c.fence(), []);
    },

    async aliases() {
      const to = await peer();
      await to.subscribe('alias/#');
      const from = await peer({ autoAssignTopicAlias: true });
      const maximum = from.connack.properties.topicAliasMaximum;
      assert.ok(maximum > 0);
      const topics = Array.from({ length: 3 * maximum + 5 }, (_, n) => `alias/${n % (maximum + 3)}`);
      for (const topic of topics) await from.publish(topic, 'm');
      assert.deepEqual((await to.take(topics.length)).map((m) => m.topic), topics);
    },

    async aliasesFromTheBroker() {
      const [to, from] = await Promise.all([peer({ properties: { topicAliasMaximum: 3 } }), peer()]);
      const sent = [];
      to.client.on('packetreceive', (packet) => { if (packet.cmd === 'publish') sent.push(packet); });
      await to.subscribe('towards/#', { qos: 2 });
      const topics = Array.from({ length: 40 }, (_, n) => `towards/${(n >> 1) % 5}`);
      // Not at QoS 2: there mqtt.js 5.16 hands out the empty topic of a packet with an alias.
      for (const [n, topic] of topics.entries()) await from.publish(topic, 'm', { qos: n % 2 });
      assert.deepEqual((await to.take(topics.length)).map((m) => m.topic), topics);
      assert.ok(sent.some((packet) => packet.properties?.topicAlias), 'the broker uses aliases');
    },

    async limits() {
      const from = await peer();
      const small = await peer({ properties: { maximumPacketSize: 500 } });
      await small.subscribe('size');
      await from.publish('size', 'x'.repeat(500));
      await from.publish('size', 'x'.repeat(400));
      assert.equal((await small.get()).text.length, 400);
      const narrow = await peer({ properties: { receiveMaximum: 1 } });
      await narrow.subscribe('window', { qos: 2 });
      const numbers = Array.from({ length: 20 }, (_, n) => String(n));
      await Promise.all(numbers.map((n) => from.publish('window', n, { qos: 2 })));
      assert.deepEqual(texts(await narrow.take(20)), numbers);
    },

    async codes() {
      const c = await peer({ clientId: '' });
      assert.ok(c.connack.properties.assignedClientIdentifier);
      const acks = [];
      c.client.on('packetreceive', (packet) => acks.push(packet));
      await c.publish('nobody/listens', 'm');
      assert.equal(acks.at(-1).reasonCode, 0x10);
      await assert.rejects(c.publish('nobody/listens', Buffer.from([0xff]), { properties: { payloadFormatIndicator: true } }),
        { code: 0x99 });
      await c.client.unsubscribeAsync('never/was');
      assert.deepEqual([...acks.at(-1).granted], [0x11]);
      await assert.rejects(c.client.subscribeAsync(Array(129).fill('x').join('/')));
      assert.deepEqual([...acks.at(-1).granted], [0x8f]);
      await c.end();
    },

    async shared() {
      const from = await peer();
      const members = await Promise.all([peer(), peer(), peer()]);
      for (const member of members) assert.equal(await member.subscribe('$share/group/jobs/#'), 1);
      const whole = await peer();
      await whole.subscribe('jobs/#');
      const numbers = Array.from({ length: 90 }, (_, n) => String(n));
      await Promise.all(numbers.map((n) => from.publish(`jobs/${n % 4}`, n)));
      assert.deepEqual(texts(await whole.take(90)), numbers);
      const got = await Promise.all(members.map((member) => member.fence()));
      assert.deepEqual(texts(got.flat()).sort((a, b) => a - b), numbers);
      assert.ok(got.every((part) => part.length >= 10), 'everybody gets a share');
      await Promise.all(members.slice(1).map((member) => member.end()));
      for (const n of numbers.slice(0, 5)) await from.publish('jobs/t', n);
      assert.deepEqual(texts(await members[0].take(5)), numbers.slice(0, 5));
    },
  };
  return version === 5 ? { ...both, ...v5 } : both;
};
