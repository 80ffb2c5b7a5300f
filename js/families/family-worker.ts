/** The worker that scores with XLM-RoBERTa, BERT and DistilBERT. */

import { serve } from "../serving.js";
import * as module from "./family-wasm.js";

serve(module);
