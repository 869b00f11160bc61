import assert from 'node:assert/strict';
import { test } from 'node:test';
import { committedTable } from './report.ts';
import { renderTable } from './table.ts';

test('the table of docs/simulation.md is what the code does, and no bar is missed', () => {
  const table = renderTable();
  assert.ok(!table.includes('**'), `bars are missed:\n${table}`);
  assert.equal(committedTable(), table, 'behaviour has changed: npm run sim -- --table, and look');
});
