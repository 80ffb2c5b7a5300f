/** The worker that scores with an adaptation applied. */

import { serve } from "../serving.js";
import * as module from "./adapt-wasm.js";

serve(module);
