import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Meter } from '../../src/app/demo/meter.ts';
import { Screen } from '../../src/app/demo/screen.ts';
import { outcomeTable, Progress } from '../../src/app/demo/view.ts';

/** What is written to a terminal, or to a file. */
function output(isTTY: boolean, hasColours = false, columns = 80) {
  const written: string[] = [];
  const write = (text: string): void => {
    written.push(text);
  };
  return { write, isTTY, columns, hasColors: () => hasColours, text: () => written.join('') };
}

/** A download of 1000 bytes that got 100 bytes each 100 ms. */
function meterAt(bytes: number): Meter {
  const meter = new Meter('lane', 1000);
  meter.start(5000);
  for (let got = 100; got <= bytes; got += 100) meter.add(100, 5000 + got);
  return meter;
}

describe('meter', () => {
  test('knows rate, time left and the longest gap', () => {
    const meter = meterAt(800);
    assert.equal(meter.state, 'running');
    assert.equal(meter.done, 0.8);
    assert.equal(meter.rate, 1000);
    assert.equal(meter.left, 200);
    assert.equal(meter.longestGap, 100);
    meter.add(200, 6500);
    assert.equal(meter.longestGap, 700);
    meter.end(7000);
    assert.equal(meter.state, 'ended');
    assert.equal(meter.elapsed, 2000);
    assert.equal(meter.rate, 500);
  });

  test('shows the rate of the last second while it runs', () => {
    const meter = new Meter('lane', 100_000);
    meter.start(0);
    for (let time = 100; time <= 3000; time += 100) meter.add(time <= 1000 ? 1000 : 10, time);
    assert.equal(meter.rate, 100);
  });

  test('has no rate before it starts, and no time left to tell', () => {
    const meter = new Meter('lane', 1000);
    assert.equal(meter.state, 'waiting');
    assert.equal(meter.rate, 0);
    assert.equal(meter.elapsed, 0);
  });
});

describe('screen', () => {
  test('draws over what it drew, but never over a line', () => {
    const out = output(true);
    const screen = new Screen(out);
    screen.draw(['one', 'two']);
    screen.draw(['three', 'four']);
    screen.line('stays');
    screen.draw(['five']);
    const expected =
      '\rone\x1b[K\n\rtwo\x1b[K\n\x1b[2A\rthree\x1b[K\n\rfour\x1b[K\nstays\n\rfive\x1b[K\n';
    assert.equal(out.text(), expected);
  });

  test('paints only for a terminal that wants colours', () => {
    assert.equal(new Screen(output(true, true)).bold('x'), '\x1b[1mx\x1b[22m');
    assert.equal(new Screen(output(true, false)).bold('x'), 'x');
    assert.equal(new Screen(output(false, true)).bold('x'), 'x');
    assert.equal(new Screen({ write: () => {} }).bold('x'), 'x');
  });
});

describe('progress', () => {
  test('a terminal sees all downloads, with bars that fit its width', () => {
    for (const columns of [40, 61, 80, 200]) {
      const out = output(true, false, columns);
      const meter = meterAt(800);
      meter.note = 'one lane killed';
      const progress = new Progress([meter, new Meter('other', 1000)], new Screen(out));
      progress.stop();
      const [first = '', second = ''] = out.text().replaceAll('\x1b[K', '').split('\n');
      assert.ok(first.length <= columns, `${first.length} of ${columns} columns`);
      assert.match(first, /^\r {2}lane .* 80 % {3}8\.0 kbit\/s/);
      if (columns > 60) assert.match(first, /1 s left {2}one lane killed$/);
      assert.equal(first.includes('█'), columns >= 80);
      assert.match(second, /^\r {2}other +waiting$/);
    }
  });

  test('elsewhere there is a line for what runs, and one for what has ended', () => {
    const out = output(false);
    const meter = meterAt(1000);
    const progress = new Progress([meter, new Meter('other', 1000)], new Screen(out));
    meter.end(6000);
    progress.ended(meter);
    progress.stop();
    assert.deepEqual(out.text().trimEnd().split('\n'), [
      '  lane       100 %   8.0 kbit/s   0 s left',
      '  lane       100 %   8.0 kbit/s      1.0 s',
    ]);
  });
});

test('the table says what was gained, and whether the bytes were right', () => {
  const slow = meterAt(1000);
  slow.end(9000);
  const fast = meterAt(1000);
  fast.end(6000);
  const outcomes = [
    { meter: slow, isRight: true, lanes: '1', resent: '' },
    { meter: fast, isRight: false, lanes: '8', resent: '7 bytes' },
  ] as const;
  const lines = outcomeTable([...outcomes], new Screen(output(false)));
  const cells = lines.map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(cells, [
    ['lane', 'lane'],
    ['time', '4.0 s', '1.0 s'],
    ['rate', '2.0 kbit/s', '8.0 kbit/s'],
    ['gain', '1.0x', '4.0x'],
    ['lanes', '1', '8'],
    ['re-sent', '7 bytes'],
    ['longest gap', '100 ms', '100 ms'],
    ['SHA-256', 'right', 'WRONG'],
  ]);
});
