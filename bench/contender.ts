import { freePort, type Lab, type ProxyProcess } from './lab.ts';

/** What is measured: a chain of proxies from the applications to the target. */
export interface Contender {
  readonly name: string;
  /** The programs that it needs, as commands. */
  readonly needs: readonly string[];
  /** Its code is compiled while it runs, so that it takes a while to reach its speed. */
  readonly isJustInTime?: boolean;
  /** From the applications' side to the target's. */
  readonly hops: readonly Hop[];
}

/** Starts one proxy that listens at a port of loopback and leads to another. */
export type Hop = (lab: Lab, listen: number, to: number) => Promise<ProxyProcess>;

/** A contender that runs. */
export interface Chain {
  /** Where its applications connect. */
  readonly port: number;
  readonly proxies: readonly ProxyProcess[];
}

/** Starts the last hop first, so that each finds what it leads to. */
export async function startChain(contender: Contender, lab: Lab, target: number): Promise<Chain> {
  const proxies: ProxyProcess[] = [];
  let port = target;
  try {
    for (const hop of contender.hops.toReversed()) {
      const listen = await freePort();
      proxies.push(await hop(lab, listen, port));
      port = listen;
    }
    return { port, proxies };
  } catch (error) {
    await lab.stop(proxies);
    throw error;
  }
}

export const direct: Contender = { name: 'direct', needs: [], hops: [] };
