/** The worker that scores without a GPU. */

import { serve } from "../serving.js";
import * as module from "./cpu-wasm.js";

serve(module);
