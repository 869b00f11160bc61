import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Command, Option } from 'commander';
import { processIo } from '../../src/cli/io.ts';
import { isRequired, variableOf } from '../../src/cli/options.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { ExitStatus } from '../../src/sys/proc.ts';

const text = readFileSync(new URL('../../../docs/CLI.md', import.meta.url), 'utf8');
const commands = leaves(buildProgram(processIo(), () => {}));

test('docs/CLI.md has a section for every command, and for no other', () => {
  const sections = [...text.matchAll(/^### `tcp-striper (.*)`$/gm)].map(([, usage]) => usage);
  assert.deepEqual(sections, commands.map(usageOf));
});

for (const command of commands) {
  test(`docs/CLI.md has what ${nameOf(command)} takes, with variables and defaults`, () => {
    const rows = sectionOf(command)
      .split('\n')
      .filter((line) => line.startsWith('| `-'));
    assert.deepEqual(rows, command.options.map(rowOf));
    for (const argument of command.registeredArguments) {
      const line = `\`${argument.name()}\`: ${argument.description}`;
      const standard = argument.defaultValueDescription;
      assert.ok(sectionOf(command).includes(line), line);
      if (standard !== undefined) assert.ok(sectionOf(command).includes(`default \`${standard}\``));
    }
  });
}

test('docs/CLI.md has every exit status', () => {
  for (const status of Object.values(ExitStatus)) {
    assert.match(text, new RegExp(`^\\| ${status} \\| `, 'm'));
  }
});

test('no secret can be given on the command line', () => {
  for (const option of commands.flatMap((command) => command.options)) {
    const isSecret = /key|token|secret|password/.test(option.name());
    assert.ok(!isSecret || option.name().endsWith('-file'), option.flags);
  }
});

/** The commands that do something, in the order of the help. */
function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function nameOf(command: Command): string {
  const { parent } = command;
  const isTop = parent === null || parent.parent === null;
  return isTop ? command.name() : `${nameOf(parent)} ${command.name()}`;
}

function usageOf(command: Command): string {
  const words = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  return [nameOf(command), ...words].join(' ');
}

function sectionOf(command: Command): string {
  const start = text.indexOf(`### \`tcp-striper ${usageOf(command)}\``);
  assert.ok(start >= 0, `no section for ${usageOf(command)}`);
  const end = text.slice(start + 3).search(/^##/m);
  return end < 0 ? text.slice(start) : text.slice(start, start + 3 + end);
}

function rowOf(option: Option): string {
  const standard = isRequired(option) ? 'required' : (option.defaultValueDescription ?? '');
  return `| \`${option.flags}\` | ${option.description} | ${standard} | \`${variableOf(option)}\` |`;
}
