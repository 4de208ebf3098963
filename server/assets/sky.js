// The drawing of the drone: the ground seen from the south at a slant, the drone above it, its shadow and its trail.
import { colours, fit, stillness, t } from '/common.js';

/** How far the camera is tilted: what a metre north and a metre up are on the screen, beside a metre east. */
const NORTH = 0.62;
const UP = 0.78;

/** Half the width of what is shown, in metres, from near to far. */
const ZOOMS = [12, 25, 50, 105];

/** The space that the server gives a drone, in metres. */
const FIELD = 100;

/** Its highest altitude. */
const CEILING = 50;

/** Points of the trail that are kept, and how far apart they are at least, in metres. */
const MOST_TRAIL = 600;
const TRAIL_STEP = 0.4;

/** Milliseconds between two pictures at least: thirty a second are smooth for what moves here, and cost half of sixty. */
const PICTURE = 30;

export class Sky {
  constructor(canvas) {
    this.canvas = canvas;
    this.zoom = 1;
    this.half = ZOOMS[this.zoom];
    this.camera = { x: 0, y: 0 };
    this.state = null;
    /** What is drawn: it runs after the state, so that twenty states a second look like a flight. */
    this.shown = null;
    this.trail = [];
    this.rotor = 0;
    this.running = false;
    this.linked = false;
  }

  /** Takes a new state of the drone. */
  fly(state) {
    if (!this.shown || stillness.matches) this.shown = { ...state };
    this.state = state;
    const last = this.trail.at(-1);
    if (!last || Math.hypot(state.x - last.x, state.y - last.y, state.z - last.z) > TRAIL_STEP) {
      this.trail.push({ x: state.x, y: state.y, z: state.z });
      if (this.trail.length > MOST_TRAIL) this.trail.shift();
    }
    this.wake();
  }

  /** Forgets the flight: another drone. */
  reset() {
    this.trail = [];
    this.shown = null;
    this.state = null;
    this.wake();
  }

  zoomBy(steps) {
    this.zoom = Math.max(0, Math.min(ZOOMS.length - 1, this.zoom + steps));
    if (stillness.matches) this.half = ZOOMS[this.zoom];
    this.wake();
  }

  /** Draws until nothing moves any more. */
  wake() {
    if (this.running) return;
    this.running = true;
    let before = performance.now() - PICTURE;
    const frame = (now) => {
      if (now - before < PICTURE) {
        requestAnimationFrame(frame);
        return;
      }
      const seconds = Math.min(0.1, (now - before) / 1000);
      before = now;
      const moved = this.follow(seconds);
      this.draw();
      this.running = moved;
      if (moved) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Brings what is shown nearer to what is; tells whether there is more to come. */
  follow(seconds) {
    const part = stillness.matches ? 1 : 1 - Math.exp(-seconds * 14);
    const slow = stillness.matches ? 1 : 1 - Math.exp(-seconds * 4);
    const wanted = this.cameraFor(this.shown ?? { x: 0, y: 0 });
    let left = Math.abs(ZOOMS[this.zoom] - this.half) + Math.hypot(wanted.x - this.camera.x, wanted.y - this.camera.y);
    this.half += (ZOOMS[this.zoom] - this.half) * slow;
    this.camera.x += (wanted.x - this.camera.x) * slow;
    this.camera.y += (wanted.y - this.camera.y) * slow;
    if (!this.state) return left > 0.05;
    for (const axis of ['x', 'y', 'z']) {
      const way = this.state[axis] - this.shown[axis];
      this.shown[axis] += way * part;
      left += Math.abs(way);
    }
    const turn = ((this.state.heading - this.shown.heading + 540) % 360) - 180;
    this.shown.heading = (this.shown.heading + turn * part + 360) % 360;
    const spins = this.state.phase !== 'grounded' && !stillness.matches;
    if (spins) this.rotor += seconds * 26;
    return spins || left + Math.abs(turn) > 0.02;
  }

  /** Where the camera looks: at the pad, until the drone comes near the edge. */
  cameraFor(drone) {
    const room = this.half * 0.42;
    const reach = (value) => Math.sign(value) * Math.max(0, Math.abs(value) - room);
    return { x: reach(drone.x), y: reach(drone.y) };
  }

  measure() {
    const { context, width, height } = fit(this.canvas);
    this.scale = Math.min(width / (2 * this.half), height / (2 * this.half * 0.62));
    this.centre = { x: width / 2, y: height * 0.6 };
    return { context, width, height };
  }

  /** The point of the screen for a point of the space. */
  project({ x, y, z = 0 }) {
    return [
      this.centre.x + (x - this.camera.x) * this.scale,
      this.centre.y - (y - this.camera.y) * this.scale * NORTH - z * this.scale * UP,
    ];
  }

  /** The point of the ground under a point of the screen, within the field. */
  ground(screenX, screenY) {
    const bound = (value) => Math.max(-FIELD, Math.min(FIELD, Math.round(value * 10) / 10));
    return {
      x: bound((screenX - this.centre.x) / this.scale + this.camera.x),
      y: bound((this.centre.y - screenY) / (this.scale * NORTH) + this.camera.y),
    };
  }

  draw() {
    const { context, width, height } = this.measure();
    const theme = colours();
    context.lineCap = 'round';
    context.lineJoin = 'round';
    this.drawGrid(context, theme);
    if (!this.shown) return;
    this.drawTrail(context, theme);
    this.drawTarget(context, theme);
    this.drawDrone(context, theme);
    this.drawAltitude(context, theme, width, height);
  }

  line(context, from, to, colour, width = 1) {
    context.beginPath();
    context.moveTo(...this.project(from));
    context.lineTo(...this.project(to));
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  drawGrid(context, theme) {
    const step = this.half > 60 ? 20 : this.half > 30 ? 10 : 5;
    for (let at = -FIELD; at <= FIELD; at += step) {
      const edge = Math.abs(at) === FIELD;
      const colour = edge ? theme.soft : at === 0 ? theme.line : theme.grid;
      this.line(context, { x: at, y: -FIELD }, { x: at, y: FIELD }, colour, edge ? 1.5 : 1);
      this.line(context, { x: -FIELD, y: at }, { x: FIELD, y: at }, colour, edge ? 1.5 : 1);
    }
    context.font = '600 11px ui-monospace, "DejaVu Sans Mono", monospace';
    context.fillStyle = theme.soft;
    context.textAlign = 'center';
    for (let at = -FIELD; at <= FIELD; at += step * 2) {
      if (at === 0) continue;
      const [x, y] = this.project({ x: at, y: 0 });
      context.fillText(String(at), x, y + 13);
      const [nx, ny] = this.project({ x: 0, y: at });
      context.fillText(String(at), nx - 15, ny + 4);
    }
    const ring = (radius, colour, width) => {
      const [x, y] = this.project({ x: 0, y: 0 });
      context.beginPath();
      context.ellipse(x, y, radius * this.scale, radius * this.scale * NORTH, 0, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    };
    ring(2, theme.out, 2);
    ring(1.2, theme.out, 1);
    const [x, y] = this.project({ x: 0, y: 0 });
    context.fillStyle = theme.soft;
    context.fillText(t('map.pad'), x, y + 2 * this.scale * NORTH + 26);
    this.drawCompass(context, theme);
  }

  drawCompass(context, theme) {
    const x = 30;
    context.beginPath();
    context.moveTo(x, 16);
    context.lineTo(x + 7, 36);
    context.lineTo(x, 31);
    context.lineTo(x - 7, 36);
    context.closePath();
    context.fillStyle = theme.out;
    context.fill();
    context.fillStyle = theme.soft;
    context.fillText(t('map.north'), x, 52);
  }

  drawTrail(context, theme) {
    // Round ends of lines that shine through would show as beads.
    context.lineCap = 'butt';
    const points = [...this.trail, this.shown];
    for (let index = 1; index < points.length; index += 1) {
      const age = index / points.length;
      context.globalAlpha = 0.12 + 0.1 * age;
      this.line(context, { ...points[index - 1], z: 0 }, { ...points[index], z: 0 }, theme.ink, 2);
      context.globalAlpha = 0.15 + 0.8 * age * age;
      this.line(context, points[index - 1], points[index], theme.out, 2.2);
    }
    context.globalAlpha = 1;
    context.lineCap = 'round';
  }

  drawTarget(context, theme) {
    const target = this.state?.target;
    if (!target) return;
    context.setLineDash([4, 6]);
    this.line(context, this.shown, target, theme.in, 1.5);
    context.setLineDash([]);
    const [x, y] = this.project(target);
    context.beginPath();
    context.arc(x, y, 6, 0, 2 * Math.PI);
    context.moveTo(x - 10, y);
    context.lineTo(x + 10, y);
    context.moveTo(x, y - 10);
    context.lineTo(x, y + 10);
    context.strokeStyle = theme.in;
    context.lineWidth = 1.5;
    context.stroke();
  }

  drawDrone(context, theme) {
    const drone = this.shown;
    const size = Math.max(19, Math.min(40, this.scale * 2));
    const [groundX, groundY] = this.project({ ...drone, z: 0 });
    context.globalAlpha = 0.3;
    context.beginPath();
    context.ellipse(groundX, groundY, size * 0.9, size * 0.9 * NORTH, 0, 0, 2 * Math.PI);
    context.fillStyle = theme.soft;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash([2, 4]);
    this.line(context, { ...drone, z: 0 }, drone, theme.soft, 1);
    context.setLineDash([]);
    const [x, y] = this.project(drone);
    const angle = (drone.heading * Math.PI) / 180;
    // A point of the drone, ahead and to the right of its middle, on the screen.
    const at = (ahead, right) => [
      x + (Math.sin(angle) * ahead + Math.cos(angle) * right) * size,
      y - (Math.cos(angle) * ahead - Math.sin(angle) * right) * size * NORTH,
    ];
    const arms = [[0.72, 0.72], [0.72, -0.72], [-0.72, 0.72], [-0.72, -0.72]];
    context.strokeStyle = theme.ink;
    context.lineWidth = Math.max(2.5, size / 9);
    for (const arm of arms) {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(...at(...arm));
      context.stroke();
    }
    for (const [index, arm] of arms.entries()) this.drawRotor(context, theme, at(...arm), size * 0.44, index, index < 2);
    context.beginPath();
    context.moveTo(...at(0.62, 0));
    context.lineTo(...at(-0.3, 0.3));
    context.lineTo(...at(-0.3, -0.3));
    context.closePath();
    context.fillStyle = this.linked ? theme.out : theme.soft;
    context.strokeStyle = theme.ground;
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
    this.drawLabel(context, theme, x, y - size * 1.15, `${drone.z.toFixed(1)} m`);
  }

  drawRotor(context, theme, [x, y], radius, index, isFront) {
    context.beginPath();
    context.ellipse(x, y, radius, radius * NORTH, 0, 0, 2 * Math.PI);
    context.globalAlpha = 0.18;
    context.fillStyle = isFront ? theme.out : theme.ink;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = isFront ? theme.out : theme.soft;
    context.lineWidth = 1.5;
    context.stroke();
    const turn = this.rotor * (index % 2 ? 1 : -1) + index;
    const blade = (sign) => [x + sign * Math.cos(turn) * radius, y + sign * Math.sin(turn) * radius * NORTH];
    context.beginPath();
    context.moveTo(...blade(1));
    context.lineTo(...blade(-1));
    context.stroke();
  }

  /** A tape of the altitude along the right edge. */
  drawAltitude(context, theme, width, height) {
    const [top, bottom, right] = [24, height - 22, width - 16];
    const y = (metres) => bottom - ((bottom - top) * metres) / CEILING;
    context.fillStyle = theme.ground;
    context.globalAlpha = 0.85;
    context.fillRect(width - 52, 0, 52, height);
    context.globalAlpha = 1;
    context.font = '600 11px ui-monospace, "DejaVu Sans Mono", monospace';
    context.textAlign = 'right';
    context.lineWidth = 1;
    for (let metres = 0; metres <= CEILING; metres += 5) {
      const isLong = metres % 10 === 0;
      context.beginPath();
      context.moveTo(right, Math.round(y(metres)) + 0.5);
      context.lineTo(right - (isLong ? 9 : 5), Math.round(y(metres)) + 0.5);
      context.strokeStyle = theme.soft;
      context.stroke();
      context.fillStyle = theme.soft;
      if (isLong) context.fillText(String(metres), right - 14, y(metres) + 4);
    }
    context.beginPath();
    context.moveTo(right, y(0));
    context.lineTo(right, y(this.shown.z));
    context.strokeStyle = theme.out;
    context.lineWidth = 4;
    context.stroke();
    context.beginPath();
    context.moveTo(right - 3, y(this.shown.z));
    context.lineTo(right + 11, y(this.shown.z) - 6);
    context.lineTo(right + 11, y(this.shown.z) + 6);
    context.closePath();
    context.fillStyle = theme.out;
    context.fill();
  }

  drawLabel(context, theme, x, y, text) {
    context.font = '600 12px ui-monospace, "DejaVu Sans Mono", monospace';
    context.textAlign = 'center';
    context.lineWidth = 4;
    context.strokeStyle = theme.ground;
    context.strokeText(text, x, y);
    context.fillStyle = theme.ink;
    context.fillText(text, x, y);
  }
}
