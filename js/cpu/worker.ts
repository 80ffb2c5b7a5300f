/** The worker that scores without a GPU. */

import { serve } from "../serving.js";
import * as module from "./wasm.js";

serve(module);
