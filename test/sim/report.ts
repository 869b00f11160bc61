import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BEGIN = '<!-- table: npm run sim -- --table -->\n\n';
const END = '\n\n<!-- end of table -->';

/** The table as it stands in docs/simulation.md. */
export function committedTable(): string {
  const { text, start, end } = readReport();
  return text.slice(start, end);
}

/** Puts the table where the last one stood. */
export function writeTable(table: string): void {
  const { text, start, end } = readReport();
  writeFileSync(reportPath(), text.slice(0, start) + table + text.slice(end));
}

function readReport(): { text: string; start: number; end: number } {
  const text = readFileSync(reportPath(), 'utf8');
  const start = text.indexOf(BEGIN) + BEGIN.length;
  const end = text.indexOf(END);
  if (start < BEGIN.length || end < start) {
    throw new Error(`${reportPath()} has no place for the table: the marks are gone`);
  }
  return { text, start, end };
}

/** docs/simulation.md, above this file, compiled or not. */
function reportPath(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'docs', 'simulation.md');
}
