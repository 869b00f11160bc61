import type { Contender, Hop } from '../contender.ts';

const needs = ['socat'];

export const socatTwice: Contender = {
  name: 'socat twice',
  needs,
  hops: [hop([]), hop([])],
};

export const socatLargeTwice: Contender = {
  name: 'socat twice, 64 KiB',
  needs,
  hops: [hop(['-b', '65536']), hop(['-b', '65536'])],
};

function hop(options: readonly string[]): Hop {
  return (lab, listen, to) =>
    lab.start(listen, 'socat', [
      ...options,
      `TCP-LISTEN:${listen},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay`,
      `TCP:127.0.0.1:${to},nodelay`,
    ]);
}
