/**
 * What the user wrote (a flag, a variable, a file) cannot be used. The message names it and says
 * what would do, in one line.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
