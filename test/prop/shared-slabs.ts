import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DOORBELL, Doorbell } from '../../src/data/doorbell.ts';
import { SlabPool } from '../../src/data/slab-pool.ts';

/** A model of a socket that reads into the slabs of a pool. */
export interface Reader {
  /** So many bytes come. */
  receive(length: number): void;
  flush(): void;
  /** Checks the oldest chunk, and releases it. */
  releaseOne(): void;
  /** Checks and releases everything. */
  end(): void;
}

/**
 * Tries three readers on one pool, step by step in any order: memory stays within the budget, and all
 * of it comes home. `make`: a reader whose bytes are told from others' by `start`.
 */
export function tryReaders(
  make: (pool: SlabPool, doorbell: Doorbell, start: number) => Reader,
  length: fc.Arbitrary<number>,
  { maxLength, numRuns }: { maxLength: number; numRuns: number },
): void {
  const step = fc.record({
    reader: fc.nat(2),
    length,
    flush: fc.boolean(),
    release: fc.nat(3),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength }),
      fc.constantFrom(100_000, 1e6, 1e7),
      (steps, budget) => {
        const allocate = (size: number) => new Uint8Array(size);
        const pool = new SlabPool({ allocate, budget, poison: 0xdd });
        const doorbell = new Doorbell(new Uint8Array(DOORBELL));
        const readers = [0, 1000, 2000].map((start) => make(pool, doorbell, start));
        for (const { reader, length, flush, release } of steps) {
          readers[reader]!.receive(length);
          if (flush) readers[reader]!.flush();
          for (let count = 0; count < release; count += 1) readers[reader]!.releaseOne();
          assert.ok(pool.outBytes <= budget, 'within the budget');
        }
        for (const reader of readers) reader.end();
        assert.equal(pool.outBytes, 0, 'all memory came home');
      },
    ),
    { numRuns },
  );
}
