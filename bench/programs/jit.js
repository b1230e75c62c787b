// jit.js - work for a just-in-time compiler: hot loops, functions made at run time, types that change under compiled code, garbage,
// regular expressions, WebAssembly, threads that share memory. Prints checksums.
'use strict';
const { Worker, isMainThread, workerData } = require('worker_threads');
const { createHash } = require('crypto');

const print = (name, value) => console.log(`node ${name} ${createHash('md5').update(JSON.stringify(value)).digest('hex')}`);
const mix = (h, v) => { h = Math.imul(h ^ v, 16777619); return (h ^ (h >>> 13)) | 0; };

function integers() {
    let h = 1;
    for (let i = 0; i < 3e7; i++) h = mix(h, i);
    return h;
}

function made() { // many small functions, each compiled, run hot, thrown away
    let h = 1;
    for (let n = 0; n < 400; n++) {
        const f = new Function('a', 'b', `let s = ${n}; for (let i = 0; i < 3000; i++) s = (Math.imul(s, ${2 * n + 3}) + a ^ b + i) | 0; return s;`);
        h = mix(h, f(h, n));
        if (n % 7 === 0) h = mix(h, f(h + 0.5, n)); // a type it was not compiled for
    }
    return h;
}

function shapes() { // one call site, many layouts: inline caches and deoptimisation
    const make = [i => ({ x: i }), i => ({ y: 1, x: i }), i => ({ z: 1, y: 2, x: i + 0.5 }), i => [i, i], i => 'text' + i, i => BigInt(i)];
    const value = o => typeof o === 'object' ? (o.x ?? o.length) : Number(String(o).length);
    let sum = 0;
    for (let kind = 1; kind <= make.length; kind++)
        for (let i = 0; i < 120000; i++) sum += value(make[i % kind](i & 1023));
    return sum;
}

function doubles() {
    const a = new Float64Array(4096).map((_, i) => i / 7);
    let sum = 0;
    for (let round = 0; round < 400; round++)
        for (let i = 1; i < a.length; i++) { a[i] = (a[i] * 0.999 + a[i - 1] * 0.001) % 1000; sum += Math.sqrt(a[i]); }
    return sum;
}

function garbage() {
    let list = null;
    const map = new Map();
    for (let i = 0; i < 400000; i++) {
        list = { next: i % 1000 ? list : null, text: 'n' + (i % 77), at: i };
        map.set(list.text, (map.get(list.text) ?? 0) + i % 13);
    }
    return [...map].sort();
}

function expressions() {
    let n = 0;
    for (let i = 0; i < 60000; i++) {
        const m = /^(\w+?)-(\d{2,})(?:\.(\d+))?$/u.exec(`name${i % 97}-${i}.${i * 7}`);
        if (m) n += m[1].length + Number(m[2]) + Number(m[3] ?? 0);
    }
    return n;
}

function errors() {
    let n = 0;
    for (let i = 0; i < 60000; i++)
        try { if (i % 3 === 0) null.x; else if (i % 3 === 1) n += [1, 2, 3].reduce((a, b) => a + b * i); else throw i; } catch (e) { n += typeof e === 'number' ? e : 1; }
    return n;
}

// (func (param i32) (result i32) (local i32) loop: local1 = local1 * 31 + param, until param-- is 0; result local1)
const wasm = Buffer.from('0061736d01000000' + '01060160017f017f' + '03020100' + '0707010366756e0000' +
    '0a1e011c' + '01017f' + '0340' + '2001411f6c' + '20006a2101' + '200041016b22000d00' + '0b' + '2001' + '0b', 'hex');
const assembly = () => new WebAssembly.Instance(new WebAssembly.Module(wasm)).exports.fun(20000000);

function threads() { // four threads count in shared memory and hand a token round
    const shared = new SharedArrayBuffer(16), cells = new Int32Array(shared);
    const end = [0, 1, 2, 3].map(id => new Promise((done, failed) => new Worker(__filename, { workerData: { shared, id } }).on('exit', done).on('error', failed)));
    return Promise.all(end).then(() => [...cells]);
}

if (isMainThread) {
    for (const part of [integers, made, shapes, doubles, garbage, expressions, errors, assembly]) print(part.name, part());
    threads().then(v => print('threads', v));
} else {
    const { shared, id } = workerData, cells = new Int32Array(shared);
    for (let i = 0; i < 200000; i++) Atomics.add(cells, 0, i & 3);
    for (let turn = id; turn < 2000; turn += 4) {
        for (let now; (now = Atomics.load(cells, 1)) !== turn;) Atomics.wait(cells, 1, now, 1000);
        Atomics.store(cells, 2, mix(Atomics.load(cells, 2), turn));
        Atomics.store(cells, 1, turn + 1);
        Atomics.notify(cells, 1);
    }
}
