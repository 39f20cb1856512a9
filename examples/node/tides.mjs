// Which tides are hidden in three months of water levels? The question of the tour, asked from Node.js: NumPy
// reads and transforms, a C file smooths, SciPy finds the peaks. The arrays stay in Python all the while.
//
//     npm install noodle-ffi && node examples/node/tides.mjs

import { fileURLToPath } from "node:url";
import { named, start } from "noodle-ffi";

const host = await start({ directory: fileURLToPath(new URL("..", import.meta.url)) });
const np = await host.load("numpy");
const signal = await host.load("scipy.signal");
const kernel = await host.load("./smooth.c", {
  prototypes: "void moving_mean(const double *levels, int64_t count, int64_t reach, double *smooth);",
});

const options = named({ delimiter: ",", skiprows: 1, usecols: 1 });
const levels = await np.loadtxt.$ref(new URL("../data/levels.csv", import.meta.url).pathname, options);
const count = await levels.size;
const smooth = await np.empty.$ref(count);
await kernel.moving_mean(levels, count, 1, smooth);

const length = 16 * count;
const window = await np.hanning.$ref(count);
const centred = await np.subtract.$ref(smooth, smooth.mean());
const transform = await np.fft.rfft.$ref(await np.multiply.$ref(centred, window), length);
const spectrum = await np.abs.$ref(transform);
const [peaks] = await signal.find_peaks(spectrum, named({ height: 0.1 * (await spectrum.max()) }));

console.log(`${count} hourly levels have tides every`);
for (const peak of peaks) console.log(`  ${(length / Number(peak)).toFixed(2)} h`);
await host.close();
