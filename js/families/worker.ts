/** The worker that scores with XLM-RoBERTa, BERT and DistilBERT. */

import { serve } from "../serving.js";
import * as module from "./wasm.js";

serve(module);
