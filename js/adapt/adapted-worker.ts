/** The worker that scores with what was learned. */

import { serve } from "../serving.js";
import * as module from "./adapt-wasm.js";

serve(module);
