export * from "../../js/order.js";
