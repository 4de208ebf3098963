// A small plot of a figure over time: a filled line on a grid, its own scale.
import { colours, fit } from '/common.js';

/** Seconds that a plot shows, once there are as many. */
export const SPAN = 120;

/** Seconds that a plot shows at first, so that a beginning is more than a dot at the edge. */
const FIRST_SPAN = 20;

/** A scale whose top is 1, 2 or 5 times a power of ten, so that it does not jump with every value. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value);
}

export class Plot {
  /** `colour` is the name of a colour of the theme; `least` is the smallest top of the scale. */
  constructor(canvas, colour, least) {
    this.canvas = canvas;
    this.colour = colour;
    this.least = least;
    /** Points as [seconds, value]. */
    this.points = [];
  }

  add(seconds, value) {
    this.points.push([seconds, value]);
    // One point before the left edge stays, so that the line does not begin inside the plot.
    while (this.points.length > 2 && this.points[1][0] < seconds - SPAN) this.points.shift();
    this.draw();
  }

  draw() {
    const { context, width, height } = fit(this.canvas);
    const theme = colours();
    context.strokeStyle = theme.grid;
    context.lineWidth = 1;
    for (let line = 1; line < 4; line += 1) {
      const y = Math.round((height * line) / 4) + 0.5;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(width, y);
      context.stroke();
    }
    if (this.points.length === 0) return;
    const now = this.points.at(-1)[0];
    const values = this.points.map(([, value]) => value);
    const top = roundUp(Math.max(this.least, ...values));
    const least = Math.min(0, ...values);
    const bottom = least < 0 ? -roundUp(-least) : 0;
    const span = Math.min(SPAN, Math.max(FIRST_SPAN, now - this.points[0][0]));
    const x = (seconds) => width - ((now - seconds) / span) * width - 6;
    const y = (value) => height - 3 - ((value - bottom) / (top - bottom)) * (height - 10);
    context.beginPath();
    this.points.forEach(([seconds, value], index) => context[index ? 'lineTo' : 'moveTo'](x(seconds), y(value)));
    context.strokeStyle = theme[this.colour];
    context.lineWidth = 2;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(x(now), height);
    context.lineTo(x(this.points[0][0]), height);
    context.closePath();
    const fill = context.createLinearGradient(0, 0, 0, height);
    fill.addColorStop(0, theme[this.colour]);
    fill.addColorStop(1, theme.panel);
    context.globalAlpha = 0.25;
    context.fillStyle = fill;
    context.fill();
    context.globalAlpha = 1;
    context.beginPath();
    context.arc(x(now), y(this.points.at(-1)[1]), 3.2, 0, 2 * Math.PI);
    context.fillStyle = theme[this.colour];
    context.fill();
  }
}
