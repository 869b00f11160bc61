import type { Lane } from '../../src/protocol/lane.ts';
import type { Endpoint } from './endpoint.ts';
import type { World } from './world.ts';

/** Prints the state of both sessions every so many ms, in time with what the world says itself. */
export function traceStates(world: World, every: number, print: (line: string) => void): void {
  const look = (): void => {
    if (world.isClosing) return;
    for (const end of [world.entry, world.exit]) print(describe(end, world.now()));
    world.clock.at(world.now() + every, look);
  };
  world.clock.at(every, look);
}

function describe(end: Endpoint, now: number): string {
  const { session, role, budget } = end;
  const channels = [...session.channels].map(({ id, send, receive, openLane }) => {
    const open = openLane === 'any' ? '' : ` on ${openLane?.id ?? 'no lane'}`;
    return (
      `${id}${open} ${send.state} ${send.next}/${send.limit} +${send.queuedBytes}` +
      ` <${receive.next}/${receive.window.limit} held ${receive.heldBytes}`
    );
  });
  const lanes = session.lanes.map((lane) => describeLane(lane, now));
  const held = `held ${session.delivery.heldBytes}, kept ${budget.used}`;
  return [
    `${now.toFixed(1)} ${role}: ${held}, sent again ${session.transmitter.resentBytes}`,
    ...lanes.map((line) => `    lane ${line}`),
    ...channels.map((line) => `    channel ${line}`),
  ].join('\n');
}

function describeLane(lane: Lane, now: number): string {
  const { path } = lane;
  const signs = [
    lane.isDraining && 'draining',
    lane.isPaced && 'paced',
    path.isProbing && 'probing',
    !lane.port.writable && 'congested',
  ].filter((sign) => sign !== false);
  return (
    `${[lane.id, lane.health, ...signs].join(' ')}: in flight ${lane.inFlight} of ${path.cap.toFixed(0)},` +
    ` rate ${path.rate.toFixed(0)}, rtt ${path.minRtt.toFixed(1)} to ${path.srtt.toFixed(1)},` +
    ` burst ${path.burst.toFixed(0)}, late ${lane.late(now).toFixed(0)},` +
    ` silent ${lane.silence(now).toFixed(0)}, eta ${lane.eta(0, now).toFixed(0)}`
  );
}
