// Drops files and folders of the disk on a page in Chromium, as a person does: scripts can drop no folder.

/** Drops them in the middle of what is seen. */
export async function dropOn(page, ...files) {
  const session = await page.context().newCDPSession(page);
  const { width, height } = page.viewportSize();
  const data = { items: [], files, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: width / 2, y: height / 2, data });
  }
  await session.detach();
}
