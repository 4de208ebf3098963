// What the drone answered, in the language of the page, from the codes and figures of the answer. What the page has no sentence for is
// shown as the server says it, in English.
import { has, number, t } from '/common.js';

/** The text of an answer. */
export function answerText(answer) {
  if (!answer.ok) return refusal(answer);
  const commands = answer.commands?.map(({ command, arguments: names }) => [command, ...names].join(' ')).join(' · ');
  return `${answer.understood}: ${commands ?? done(answer)}`;
}

function done({ understood, message, state }) {
  const [command, value] = understood.split(' ');
  const aim = state.target ?? state;
  const metres = Math.hypot(aim.x - state.x, aim.y - state.y, aim.z - state.z);
  const key = state.target && MOVES.has(command) ? 'said.move' : `said.${command}`;
  return sentence(key, message, {
    x: number(aim.x, 1), y: number(aim.y, 1), z: number(aim.z, 1), from: number(state.z, 1), metres: number(metres, 1),
    angle: value ?? '', speed: number(state.cruise, 1), phase: t(`phase.${state.phase}`), on: t(`said.${value}`),
  });
}

const MOVES = new Set(['forward', 'back', 'left', 'right', 'up', 'down', 'goto']);

function refusal({ error, state }) {
  const values = { ...error?.values, phase: t(`phase.${state.phase}`) };
  // A figure is measured to a tenth; what somebody wrote is told as it was written.
  for (const name of ['percent', 'given', 'min', 'max']) {
    if (typeof values[name] === 'number') values[name] = number(Math.round(values[name] * 10) / 10, Number.isInteger(values[name]) ? 0 : 1);
  }
  const key = error?.code === 'battery' && 'needed' in values ? 'fault.battery.takeoff' : `fault.${error?.code}`;
  return sentence(key, error?.message ?? '', values);
}

/** The sentence called `key`, or what the server said. */
function sentence(key, otherwise, values) {
  return has(key) ? t(key, values) : otherwise;
}
