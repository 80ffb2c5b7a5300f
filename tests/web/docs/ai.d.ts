// Version 6 of `ai` is installed under its own name; what only version 7 has is taken from there.
import { experimental_decide as decide } from "ai-7";

declare module "ai" {
  export const experimental_decide: typeof decide;
}
